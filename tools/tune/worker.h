#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "tools/output.h"

/// The helper processes of a tuner, `gumtile worker ROLE FOLDER`: they read lines of JSON from stdin and
/// answer with lines of JSON on stdout, until stdin ends. A `file` is a name in the folder, since a path may
/// have bytes that JSON cannot hold. In these processes a compiler may abort and a kernel may hang.
///
/// `compile`: {head, target, schedule, file} -> {schedule}, and the artifact in `file`; or {error}.
///
/// `measure`, by the member `do`:
/// - `open` {device, head} -> {device, driver}, then, with the weights made, {copies}
/// - `load` {kernels: [{schedule, file}]} -> for each {loaded} or {failed, why}, then {done}
/// - `check` {schedule, rows} -> {outputs: {NAME: values}, launch_us}
/// - `time` {schedules, rows, repeats, rounds, seconds} -> for each schedule and round {begin}, then {time,
///   median_us, p5_us, p95_us}; then {done}
/// - `read_floor` -> {bytes_per_second, method}
/// or {error}.
///
/// A request with `fault` makes the worker misbehave: tests use it to provoke failures.
namespace gumtile::tools {

int run_compile_worker(const std::filesystem::path& folder);
int run_measure_worker(const std::filesystem::path& folder);

/// Sends a line to the tuner at once.
void answer(const Json& message);

/// Misbehaves as `request["fault"]` says: abort, hang, garbage (a line that is not JSON). The caller handles
/// the others: corrupt, wrong, fast (times that are too good), noisy (times that vary).
void obey_fault(const Json& request);
bool has_fault(const Json& request, std::string_view kind);

}  // namespace gumtile::tools
