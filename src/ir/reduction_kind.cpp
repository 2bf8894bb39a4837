#include "ir/reduction_kind.h"

namespace gumtile {
namespace {

/// The combine that argmax of `dsl_functions.h` builds: the larger key wins, then the lower index; a key of
/// NaN loses. `state`: key, index and carried values.
Lambda argmax_combine(const std::vector<DType>& state) {
  const DType f = DType::f32;
  const DType u = DType::u32;
  const DType p = DType::pred;
  const auto right = static_cast<uint64_t>(state.size());  // the first parameter of the right state
  Lambda combine{{{Op::param, f, {}, 0},
                  {Op::param, f, {}, right},
                  {Op::lt, p, {0, 1}},
                  {Op::eq, p, {1, 0}},
                  {Op::param, u, {}, right + 1},
                  {Op::param, u, {}, 1},
                  {Op::lt, p, {4, 5}},
                  {Op::bit_and, p, {3, 6}},
                  {Op::bit_or, p, {2, 7}},
                  {Op::ne, p, {0, 0}},
                  {Op::bit_or, p, {8, 9}},
                  {Op::select, f, {10, 1, 0}},
                  {Op::select, u, {10, 4, 5}}},
                 {11, 12}};
  for (uint64_t i = 2; i < state.size(); ++i) {
    const auto next = static_cast<NodeId>(combine.nodes.size());
    combine.nodes.push_back({Op::param, state[i], {}, right + i});
    combine.nodes.push_back({Op::param, state[i], {}, i});
    combine.nodes.push_back({Op::select, state[i], {10, next, next + 1}});
    combine.results.push_back(next + 2);
  }
  return combine;
}

Lambda or_combine() {
  const DType u = DType::u32;
  return {{{Op::param, u, {}, 0}, {Op::param, u, {}, 1}, {Op::bit_or, u, {0, 1}}}, {2}};
}

}  // namespace

ReductionKind recognise(const ReductionInfo& reduction) {
  if (reduction.state.size() >= 2 && reduction.combine == argmax_combine(reduction.state))
    return ReductionKind::argmax;
  return reduction.combine == or_combine() ? ReductionKind::bit_or : ReductionKind::other;
}

void recognise_reductions(Program& program) {
  for (ReductionInfo& reduction : program.reductions) reduction.kind = recognise(reduction);
}

Packing packing_of(const ReductionInfo& reduction) {
  const auto starts_from = [&](const std::vector<uint64_t>& identity) {
    return reduction.identity == identity;
  };
  if (reduction.kind == ReductionKind::bit_or && starts_from({0})) return Packing::bit_or;
  if (reduction.kind == ReductionKind::argmax && starts_from({0xff800000, ~0u})) return Packing::argmax;
  return Packing::none;
}

}  // namespace gumtile
