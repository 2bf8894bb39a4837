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
/// problems as possible. A kernel's time is the same for ranges of equal size that all begin at a multiple of
/// every tile's columns, and for those that all do not, so only the first of them is measured.
std::vector<TuneProblem> shard_problems(const MeasuredHead& whole, int64_t shards);

/// The Program that a head runs.
Program program_of(const MeasuredHead& head);
/// The problem of a bucket with weights that an engine allocates, without gaps between rows.
Problem problem_of(const MeasuredHead& head, int64_t max_rows);

/// A head without its schedule, as JSON for a worker, and back.
Json head_json(const MeasuredHead& head);
MeasuredHead parse_head(const Json& json);

Json device_json(const DeviceDescription& device);
DeviceDescription parse_device(const Json& json);

}  // namespace gumtile::tools
