#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "tools/output.h"

/// The helper processes of a tuner, `gumtile worker ROLE FOLDER`: they read lines of JSON from stdin and
/// answer with lines of JSON on stdout, until stdin ends. A `file` is one of the folder's: its path may hold
/// bytes that JSON cannot. They are where a compiler may abort and a kernel hang.
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
/// A request with `fault` makes the worker misbehave: how the tests provoke what must not happen.
namespace gumtile::tools {

int run_compile_worker(const std::filesystem::path& folder);
int run_measure_worker(const std::filesystem::path& folder);

/// A line to the tuner, at once.
void answer(const Json& message);

/// Misbehaves as `request["fault"]` says: abort, hang, garbage (a line that is not JSON). Others are the
/// caller's: corrupt, wrong, fast (times that are too good), noisy (times that are scattered).
void obey_fault(const Json& request);
bool has_fault(const Json& request, std::string_view kind);

}  // namespace gumtile::tools
