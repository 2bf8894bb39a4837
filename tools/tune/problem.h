#pragma once

#include <cstdint>
#include <vector>

#include "gumtile/lm_head.h"
#include "gumtile/plan.h"
#include "tools/bench_inputs.h"
#include "tools/output.h"

namespace gumtile::tools {

/// One matrix to tune for: a head, and the first tokens of the other ranges that its measurement stands for.
struct TuneProblem {
  MeasuredHead head;
  std::vector<int64_t> also_first_tokens;
};

/// The ranges that `shards` ranks hold of `whole`'s vocabulary, each of ceil(vocab / shards) tokens, as few
/// problems: ranges of equal size that begin at a multiple of every tile's columns, or do not, differ in
/// nothing that a kernel's time depends on, so that the first of them is measured for all.
std::vector<TuneProblem> shard_problems(const MeasuredHead& whole, int64_t shards);

/// The Program that a head runs.
Program program_of(const MeasuredHead& head);
/// The problem of a bucket with weights that are allocated by an engine, rows without a gap.
Problem problem_of(const MeasuredHead& head, int64_t max_rows);

/// A head, without its schedule, on its way to a worker and there.
Json head_json(const MeasuredHead& head);
MeasuredHead parse_head(const Json& json);

Json device_json(const DeviceDescription& device);
DeviceDescription parse_device(const Json& json);

}  // namespace gumtile::tools
