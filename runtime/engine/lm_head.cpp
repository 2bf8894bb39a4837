#include "gumtile/lm_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "gumtile/error.h"
#include "runtime/engine/batch_buckets.h"
#include "runtime/engine/host_indices.h"
#include "runtime/engine/lm_head_variants.h"

namespace gumtile {
namespace {

/// More rows than any batch has. The Program counts rows in 32 bits, and the table of buckets stays small.
constexpr int64_t kMaxRows = int64_t{1} << 20;

void require(bool holds, const std::string& message) {
  if (!holds) throw Error(ErrorCode::usage, message);
}

/// The largest copy, in bytes, that reads every row of the weights aligned.
int alignment_of(const void* weights, int64_t row_stride, DType dtype) {
  const uint64_t bits =
      reinterpret_cast<uintptr_t>(weights) | static_cast<uint64_t>(row_stride) * size_bytes(dtype);
  int alignment = 16;
  while (bits % static_cast<uint64_t>(alignment) != 0) alignment /= 2;
  return alignment;
}

Features features_of(const SampleArgs& args) {
  return args.logprob != nullptr ? Features{feature_logprob} : kNoFeatures;
}

}  // namespace

std::vector<int64_t> batch_buckets(int64_t max_rows) {
  std::vector<int64_t> ends;
  if (max_rows < 1) return ends;
  const size_t last = engine::bucket_of(max_rows);
  ends.reserve(last + 1);
  for (size_t bucket = 0; bucket <= last; ++bucket) ends.push_back(engine::bucket_end(bucket));
  return ends;
}

struct LmHead::Impl {
  Impl(std::shared_ptr<Engine> engine_, const LmHeadOptions& options_)
      : engine(std::move(engine_)), options(options_), variants(engine, options_) {}

  std::shared_ptr<Engine> engine;
  LmHeadOptions options;
  const void* weights = nullptr;
  int64_t weights_row_stride = 0;
  int prepared_alignment = 0;  ///< bytes: what the kernels rely on, where there are any
  engine::Variants variants;
  std::atomic<bool> noted_null_seed = false;

  int64_t row_stride(const SampleArgs& args) const {
    return args.hidden_row_stride == 0 ? options.hidden_size : args.hidden_row_stride;
  }

  /// What kernels may rely on: of an address on a GPU, and of the row stride anywhere.
  int alignment_of_weights(const void* data, int64_t row_stride) const {
    return alignment_of(engine->device().target.is_cuda() ? data : nullptr, row_stride,
                        options.weights_dtype);
  }

  /// Says what a null seed means: once, in the log and in `note`.
  void note_null_seed(std::string* note) {
    constexpr std::string_view kNote =
        "seed is null, so every row draws with seed 0: rows and launches with the same offset share their "
        "noise, and "
        "those of one prompt their tokens; give each request a seed, and each of its positions an offset";
    if (noted_null_seed.exchange(true)) return;
    if (engine->options().log) engine->options().log(LogLevel::warning, kNote);
    if (note != nullptr) *note = kNote;
  }

  /// Checks and takes over weights.
  void set_weights(const void* data, int64_t row_stride) {
    require(data != nullptr, "the address of the weights is null");
    if (row_stride == 0) row_stride = options.hidden_size;
    require(row_stride >= options.hidden_size,
            fmt::format("the weights' row stride is {} elements, less than the hidden size {}", row_stride,
                        options.hidden_size));
    const auto element_bytes = size_bytes(options.weights_dtype);
    const int alignment = alignment_of_weights(data, row_stride);
    require(alignment_of(data, row_stride, options.weights_dtype) >= static_cast<int>(element_bytes),
            fmt::format("the address of the weights must be a multiple of their element's {} bytes",
                        element_bytes));
    require(
        !variants.has_kernels() || alignment >= prepared_alignment,
        fmt::format("the new weights are aligned to {} bytes, but the head was prepared for {}; make a head "
                    "of their own",
                    alignment, prepared_alignment));
    const auto rows = static_cast<size_t>(options.vocab_size - 1) * static_cast<size_t>(row_stride);
    const std::string fault =
        engine->pointer_fault(data, (rows + static_cast<size_t>(options.hidden_size)) * element_bytes);
    require(fault.empty(), "the weights cannot be used: " + fault);
    weights = data;
    weights_row_stride = row_stride;
  }
};

LmHead::LmHead(std::shared_ptr<Engine> engine, const LmHeadOptions& options, const void* weights,
               int64_t weights_row_stride) {
  require(engine != nullptr, "a sampling head needs an engine");
  require(options.vocab_size >= 1, fmt::format("vocab_size is {}; at least 1 is needed", options.vocab_size));
  require(options.hidden_size >= 1,
          fmt::format("hidden_size is {}; at least 1 is needed", options.hidden_size));
  require(options.first_token >= 0,
          fmt::format("first_token is {}; at least 0 is needed", options.first_token));
  impl_ = std::make_unique<Impl>(std::move(engine), options);
  impl_->set_weights(weights, weights_row_stride);
}

LmHead::~LmHead() = default;
LmHead::LmHead(LmHead&&) noexcept = default;
LmHead& LmHead::operator=(LmHead&&) noexcept = default;

void LmHead::prepare(int64_t max_rows, std::vector<Features> feature_sets) {
  PrepareOptions options;
  options.max_rows = max_rows;
  options.feature_sets = std::move(feature_sets);
  prepare(options);
}

void LmHead::prepare(const PrepareOptions& options) {
  require(options.max_rows >= 1 && options.max_rows <= kMaxRows,
          fmt::format("max_rows is {}; expected 1 to {}", options.max_rows, kMaxRows));
  require(!options.feature_sets.empty(), "there is no feature set to prepare for; the empty one is {0}");
  for (Features features : options.feature_sets)
    require((features & ~kAllFeatures) == 0,
            fmt::format("feature set {:#x} has bits that stand for nothing; known are {:#x}", features,
                        kAllFeatures));
  const int alignment = impl_->variants.has_kernels()
                            ? impl_->prepared_alignment
                            : impl_->alignment_of_weights(impl_->weights, impl_->weights_row_stride);
  impl_->prepared_alignment = alignment;
  impl_->variants.prepare(options, alignment, impl_->weights, impl_->weights_row_stride);
}

void LmHead::set_weights(const void* weights, int64_t weights_row_stride) {
  impl_->set_weights(weights, weights_row_stride);
  impl_->variants.bind_weights(impl_->weights, impl_->weights_row_stride);
}

size_t LmHead::workspace_bytes(int64_t max_rows) const {
  require(
      max_rows <= impl_->variants.prepared_rows(),
      fmt::format(
          "the workspace for {} rows was asked for, but the head is prepared for {}; call prepare({}) first",
          max_rows, impl_->variants.prepared_rows(), max_rows));
  Kernel::WorkspaceBytes largest;
  for (const auto& variant : impl_->variants.all()) {
    for (int64_t end : batch_buckets(max_rows)) {
      const int64_t rows = std::min(end, max_rows);
      const Kernel::WorkspaceBytes needed =
          variant->kernel_of_bucket[engine::bucket_of(rows)]->workspace(rows);
      largest.state = std::max(largest.state, needed.state);
      largest.scratch = std::max(largest.scratch, needed.scratch);
    }
  }
  return largest.total();
}

Status LmHead::workspace_init(StreamHandle stream, void* workspace, size_t workspace_bytes) const noexcept {
  if (impl_->variants.prepared_rows() == 0) return Status::not_prepared;
  const Kernel* kernel = impl_->variants.all().front()->kernel_of_bucket.front();
  return kernel->workspace_init(stream, workspace, workspace_bytes);
}

const Kernel* LmHead::kernel_for(int64_t rows, Features features) const noexcept {
  const engine::Variant* variant = impl_->variants.serving(features);
  if (variant == nullptr || rows < 1 || rows > impl_->variants.prepared_rows()) return nullptr;
  return variant->kernel_of_bucket[engine::bucket_of(rows)];
}

Status LmHead::sample(StreamHandle stream, const SampleArgs& args) const noexcept {
  if (args.rows == 0) return Status::ok;
  if (args.rows < 0) return Status::invalid_argument;
  const engine::Variant* variant = impl_->variants.serving(features_of(args));
  if (variant == nullptr) return Status::not_prepared;
  if (args.rows > impl_->variants.prepared_rows()) return Status::too_many_rows;
  const int64_t hidden_row_stride = impl_->row_stride(args);
  const bool wide = impl_->options.token_dtype == DType::i64;
  const void* const token = wide ? static_cast<const void*>(args.token_i64) : args.token;
  const void* const other_token = wide ? static_cast<const void*>(args.token) : args.token_i64;
  if (args.hidden_states == nullptr || token == nullptr || other_token != nullptr ||
      hidden_row_stride < impl_->options.hidden_size)
    return Status::invalid_argument;

  const engine::SamplingBindings::Arrays bound =
      variant->bindings.bind(args, hidden_row_stride, impl_->weights, impl_->weights_row_stride);
  const Kernel* kernel = variant->kernel_of_bucket[engine::bucket_of(args.rows)];
  return kernel->launch(stream, args.rows, std::span(bound.inputs.data(), bound.input_count),
                        std::span(bound.outputs.data(), bound.output_count), args.workspace,
                        args.workspace_bytes, args.launch);
}

std::vector<std::string> LmHead::validate(const SampleArgs& args, int64_t slots, std::string* note) const {
  std::vector<std::string> faults;
  const LmHeadOptions& options = impl_->options;
  if (args.rows < 0) faults.push_back(fmt::format("rows is {}; at least 0 is needed", args.rows));
  if (kernel_for(std::max<int64_t>(args.rows, 1), features_of(args)) == nullptr)
    faults.push_back(
        fmt::format("no kernel is prepared for {} rows with these outputs; the head is prepared "
                    "for {} rows",
                    args.rows, impl_->variants.prepared_rows()));
  if (!faults.empty() || args.rows == 0) return faults;

  const auto rows = static_cast<size_t>(args.rows);
  const size_t slot_count = slots > 0 ? static_cast<size_t>(slots) : rows;
  const auto check = [&](const char* name, const void* data, size_t bytes, size_t alignment, bool optional) {
    if (data == nullptr && optional) return;
    if (reinterpret_cast<uintptr_t>(data) % alignment != 0)
      faults.push_back(fmt::format("{}: {} is not a multiple of {} bytes", name, data, alignment));
    const std::string fault = impl_->engine->pointer_fault(data, bytes);
    if (!fault.empty()) faults.push_back(fmt::format("{}: {}", name, fault));
  };
  const int64_t stride = impl_->row_stride(args);
  if (stride < options.hidden_size)
    faults.push_back(fmt::format("hidden_row_stride is {} elements, less than the hidden size {}", stride,
                                 options.hidden_size));
  const size_t element = size_bytes(options.hidden_dtype);
  // Which rows an index names is known on the device only.
  const size_t hidden_rows = args.hidden_index == nullptr ? rows : 1;
  check(
      "hidden_states", args.hidden_states,
      ((hidden_rows - 1) * static_cast<size_t>(stride) + static_cast<size_t>(options.hidden_size)) * element,
      element, false);
  check("hidden_index", args.hidden_index, rows * 4, 4, true);
  check("row_slot", args.row_slot, rows * 4, 4, true);
  check("num_rows", args.num_rows, 4, 4, true);
  check("temperature", args.temperature, slot_count * 4, 4, true);
  check("seed", args.seed, slot_count * 8, 8, true);
  check("offset", args.offset, rows * 8, 8, true);
  check("invalid_token", args.invalid_token, 4, 4, true);
  check("token_position", args.token_position, rows * 4, 4, true);
  // Nor is it known where tokens go that have positions.
  const size_t tokens = args.token_position == nullptr ? rows : 1;
  if (options.token_dtype == DType::i64)
    check("token_i64", args.token_i64, tokens * 8, 8, false);
  else
    check("token", args.token, tokens * 4, 4, false);
  check("logprob", args.logprob, rows * 4, 4, true);
  check("status", args.status, rows * 4, 4, true);
  check("any_status", args.any_status, 4, 4, true);
  const size_t needed = kernel_for(args.rows, features_of(args))->workspace_bytes(args.rows);
  if (args.workspace_bytes < needed)
    faults.push_back(fmt::format("the workspace has {} bytes; {} are needed", args.workspace_bytes, needed));
  check("workspace", args.workspace, args.workspace_bytes, 256, needed == 0);
  if (!faults.empty()) return faults;

  const bool on_host = !impl_->engine->device().target.is_cuda();
  if (on_host) {
    engine::IndexedArrays arrays;
    arrays.slots = static_cast<int64_t>(slot_count);
    arrays.hidden_row_bytes = stride * static_cast<int64_t>(element);
    arrays.hidden_bytes = options.hidden_size * static_cast<int64_t>(element);
    arrays.token_bytes = static_cast<int64_t>(size_bytes(options.token_dtype));
    arrays.memory_fault = [&](const void* data, size_t bytes) {
      return impl_->engine->pointer_fault(data, bytes);
    };
    faults = engine::host_index_faults(args, arrays);
  }
  if (faults.empty() && args.seed == nullptr && !(on_host && engine::is_greedy_on_host(args)))
    impl_->note_null_seed(note);
  return faults;
}

std::vector<KernelChoice> LmHead::choices() const {
  std::vector<KernelChoice> all;
  for (const auto& variant : impl_->variants.all())
    all.insert(all.end(), variant->choices.begin(), variant->choices.end());
  return all;
}

const LmHeadOptions& LmHead::options() const { return impl_->options; }

}  // namespace gumtile
