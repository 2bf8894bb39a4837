#include "runtime/engine/backend.h"

#include <fmt/format.h>

#include <bit>
#include <utility>

#include "gumtile/error.h"

namespace gumtile::engine {
namespace {

constexpr uint64_t align_up(uint64_t bytes) {
  return (bytes + kWorkspaceAlignment - 1) & ~(kWorkspaceAlignment - 1);
}

/// Artifacts may come from files: everything that a launch relies on is checked.
void check_spec(const LaunchSpec& spec, KernelArtifact::Format format) {
  auto require = [](bool holds, const char* what) {
    if (!holds)
      throw Error(ErrorCode::internal, fmt::format("a kernel's launch specification is wrong: {}", what));
  };
  const int inputs = static_cast<int>(spec.inputs.size());
  require(!spec.sweep.empty(), "there is no sweep entry");
  require(spec.rows_per_block >= 1, "rows_per_block is below 1");
  require(spec.columns >= 1 && spec.columns_per_unit >= 1, "columns or columns_per_unit is below 1");
  require(spec.record_words >= 0 && spec.host_state_words >= 0, "a count of record words is negative");
  require(format != KernelArtifact::Format::shared_object || spec.record_words == 0 || !spec.finish.empty(),
          "there are records but no finish entry");
  require(spec.packed_words >= 0, "a count of packed words is negative");
  require(spec.first_column >= 0, "first_column is negative");
  require(spec.cluster_m >= 1 && spec.cluster_n >= 1, "a cluster has no blocks");
  require(spec.contraction_left >= -1 && spec.contraction_left < inputs, "contraction_left is no input");
  require(spec.contraction_right >= -1 && spec.contraction_right < inputs, "contraction_right is no input");
  require(spec.left_index >= -1 && spec.left_index < inputs, "left_index is no input");
  require(spec.left_alignment >= 1 && std::has_single_bit(static_cast<unsigned>(spec.left_alignment)),
          "left_alignment is no power of 2");
  const bool stages = !spec.stage.empty();
  require(stages || !spec.must_stage, "the left input must be staged, but there is no stage entry");
  require(!stages || spec.contraction_left >= 0, "there is a stage entry but no left input");
  require(!stages || spec.staged_stride >= 1, "staged_stride is below 1");
  require(stages || spec.left_index < 0, "left_index gathers rows, but there is no stage entry");
}

}  // namespace

LoadedKernel::LoadedKernel(KernelArtifact artifact, bool always_stage)
    : artifact_(std::move(artifact)), arguments_(artifact_.launch), always_stage_(always_stage) {
  check_spec(spec(), artifact_.format);
  auto element_bytes = [&](int input) {
    return input < 0 ? 0 : size_bytes(spec().inputs[static_cast<size_t>(input)].dtype);
  };
  left_element_bytes_ = element_bytes(spec().contraction_left);
  right_element_bytes_ = element_bytes(spec().contraction_right);
}

uint64_t LoadedKernel::records_bytes(int64_t max_rows) const noexcept {
  return align_up(static_cast<uint64_t>(spec().records_bytes(max_records(max_rows), 1)));
}

Kernel::WorkspaceBytes LoadedKernel::workspace(int64_t max_rows) const noexcept {
  if (max_rows <= 0) return {};
  const int64_t staged = spec().stage.empty() ? 0 : spec().staged_bytes(max_rows);
  const int64_t state = has_shared_state() ? abi::shared_state_bytes(spec(), max_rows) : 0;
  return {align_up(static_cast<uint64_t>(state)),
          records_bytes(max_rows) + align_up(static_cast<uint64_t>(staged))};
}

Status LoadedKernel::workspace_init(StreamHandle stream, void* workspace,
                                    size_t workspace_bytes) const noexcept {
  if (!has_shared_state() || workspace_bytes == 0) return Status::ok;
  if (workspace == nullptr || reinterpret_cast<uintptr_t>(workspace) % kWorkspaceAlignment != 0)
    return Status::invalid_argument;
  return clear(stream, workspace, workspace_bytes);
}

bool LoadedKernel::is_misaligned(const abi::Words& words, int input, size_t element_bytes,
                                 int alignment) noexcept {
  if (input < 0) return false;
  const uint64_t* binding = words.data() + abi::address_word(static_cast<size_t>(input));
  return ((binding[0] | binding[1] * element_bytes) & (static_cast<uint64_t>(alignment) - 1)) != 0;
}

Status LoadedKernel::launch(StreamHandle stream, int64_t rows, std::span<const Binding> inputs,
                            std::span<const Binding> outputs, void* workspace, size_t workspace_bytes,
                            const LaunchOptions& options, const BoundWeights* weights) const noexcept {
  if (rows == 0) return Status::ok;
  if (rows < 0) return Status::invalid_argument;
  if (rows > row_limit()) return Status::too_many_rows;

  abi::Words words;
  if (const Status status = arguments_.pack(inputs, outputs, words); status != Status::ok) return status;

  // The workspace for staging is required even if this launch does not stage, so that the required size does
  // not depend on a pointer.
  const uint64_t memory = reinterpret_cast<uintptr_t>(workspace);
  const Kernel::WorkspaceBytes needed = this->workspace(rows);
  if (workspace_bytes < needed.total()) return Status::workspace_too_small;
  if (memory % kWorkspaceAlignment != 0 || (memory == 0 && needed.total() != 0))
    return Status::invalid_argument;
  // From the end, so that no launch's scratch overlaps the state of another one with more rows.
  const uint64_t scratch = memory + (workspace_bytes & ~(kWorkspaceAlignment - 1)) - needed.scratch;

  const bool can_stage = !spec().stage.empty();
  const bool misaligned =
      is_misaligned(words, spec().contraction_left, left_element_bytes_, spec().left_alignment);
  if (is_misaligned(words, spec().contraction_right, right_element_bytes_, spec().right_alignment))
    return Status::invalid_argument;
  if (misaligned && !can_stage) return Status::invalid_argument;
  const bool gathers =
      spec().left_index >= 0 && words[abi::address_word(static_cast<size_t>(spec().left_index))] != 0;
  const bool stages = can_stage && (always_stage_ || spec().must_stage || misaligned || gathers);

  words[abi::word_rows] = static_cast<uint64_t>(rows);
  words[abi::word_records] = scratch;
  words[abi::word_staged] = stages ? scratch + records_bytes(rows) : 0;
  words[abi::word_workers] = static_cast<uint64_t>(workers(rows));
  words[abi::word_shared_state] = memory;
  words[abi::word_flags] = options.weights_stable ? uint64_t{abi::launch_weights_stable} : 0;
  return run(stream, words, options, weights);
}

}  // namespace gumtile::engine
