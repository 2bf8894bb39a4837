#include "gumtile/lm_head.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "gumtile/error.h"
#include "head/settings.h"
#include "runtime/head/batch_buckets.h"
#include "runtime/head/bindings.h"
#include "runtime/head/host_indices.h"
#include "runtime/head/validate.h"
#include "runtime/head/variants.h"

namespace gumtile {
namespace {

/// More rows than any batch has. The Program counts rows in 32 bits, and the limit keeps the table of buckets
/// small.
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

}  // namespace

std::vector<int64_t> batch_buckets(int64_t max_rows) {
  std::vector<int64_t> ends;
  if (max_rows < 1) return ends;
  const size_t last = head::bucket_of(max_rows);
  ends.reserve(last + 1);
  for (size_t bucket = 0; bucket <= last; ++bucket) ends.push_back(head::bucket_end(bucket));
  return ends;
}

struct LmHead::Impl {
  Impl(std::shared_ptr<Engine> engine_, const LmHeadOptions& options_)
      : engine(std::move(engine_)), options(options_), variants(engine, options_) {}

  std::shared_ptr<Engine> engine;
  LmHeadOptions options;
  head::BorrowedArrays borrowed;
  head::RequestedFeatures requested;
  int prepared_alignment = 0;  ///< bytes: what the kernels rely on, if there are any
  head::Variants variants;
  std::atomic<bool> noted_null_seed = false;

  int64_t row_stride(const gumtile_sample_args& args) const {
    return args.hidden_row_stride == 0 ? options.hidden_size : args.hidden_row_stride;
  }

  /// The alignment that kernels may rely on: of the address on a GPU, and of the row stride on any device.
  int alignment_of_weights(const void* data, int64_t row_stride) const {
    return alignment_of(engine->device().target.is_cuda() ? data : nullptr, row_stride,
                        options.weights_dtype);
  }

  /// Explains what a null seed means: once, in the log and in `note`.
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
    borrowed.weights = data;
    borrowed.weights_row_stride = row_stride;
  }

  /// Checks and takes over an array of the settings.
  void set_array(const head::ArraySetting& array, const void* data) {
    const std::optional<DType> dtype = array.dtype(options.settings);
    require(
        dtype.has_value(),
        fmt::format("{0}: the head was made without one; in C++ it has one if {0}_dtype is set", array.name));
    const size_t bytes = size_bytes(*dtype);
    require(data != nullptr, fmt::format("{}: its address is null", array.name));
    require(reinterpret_cast<uintptr_t>(data) % bytes == 0,
            fmt::format("{}: its address must be a multiple of its element's {} bytes", array.name, bytes));
    const std::string fault = engine->pointer_fault(data, static_cast<size_t>(options.vocab_size) * bytes);
    require(fault.empty(), fmt::format("{}: it cannot be used: {}", array.name, fault));
    array.set(borrowed.settings, data);
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
  head::check_settings(options.settings);
  impl_ = std::make_unique<Impl>(std::move(engine), options);
  impl_->set_weights(weights, weights_row_stride);
  for (const head::ArraySetting& array : head::array_settings())
    if (array.dtype(options.settings) || array.data(options.settings) != nullptr)
      impl_->set_array(array, array.data(options.settings));
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
  const int alignment =
      impl_->variants.has_kernels()
          ? impl_->prepared_alignment
          : impl_->alignment_of_weights(impl_->borrowed.weights, impl_->borrowed.weights_row_stride);
  impl_->prepared_alignment = alignment;
  impl_->variants.prepare(options, alignment, impl_->borrowed.weights, impl_->borrowed.weights_row_stride);
}

void LmHead::set_weights(const void* weights, int64_t weights_row_stride) {
  impl_->set_weights(weights, weights_row_stride);
  impl_->variants.bind_weights(impl_->borrowed.weights, impl_->borrowed.weights_row_stride);
}

void LmHead::set_array(std::string_view name, const void* data) {
  for (const head::ArraySetting& array : head::array_settings())
    if (array.name == name) return impl_->set_array(array, data);
  std::vector<std::string_view> known;
  for (const head::ArraySetting& array : head::array_settings()) known.push_back(array.name);
  throw Error(ErrorCode::usage, fmt::format("a head has no array '{}'; those that can be set are {}", name,
                                            fmt::join(known, ", ")));
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
      const Kernel::WorkspaceBytes needed = variant->kernel_of_bucket[head::bucket_of(rows)]->workspace(rows);
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
  const head::Variant* variant = impl_->variants.serving(features);
  if (variant == nullptr || rows < 1 || rows > impl_->variants.prepared_rows()) return nullptr;
  return variant->kernel_of_bucket[head::bucket_of(rows)];
}

Status LmHead::sample(StreamHandle stream, const gumtile_sample_args& args,
                      std::span<const NamedBinding> extra) const noexcept {
  if (args.rows == 0) return Status::ok;
  if (args.rows < 0) return Status::invalid_argument;
  const head::Variant* variant = impl_->variants.serving(impl_->requested.of(args));
  if (variant == nullptr) return Status::not_prepared;
  if (args.rows > impl_->variants.prepared_rows()) return Status::too_many_rows;
  const int64_t hidden_row_stride = impl_->row_stride(args);
  if (args.hidden_states == nullptr || args.token == nullptr ||
      hidden_row_stride < impl_->options.hidden_size)
    return Status::invalid_argument;

  head::CallBindings::Arrays bound;
  if (!variant->bindings.bind(args, hidden_row_stride, impl_->borrowed, extra, bound))
    return Status::invalid_argument;
  LaunchOptions launch;
  launch.programmatic_dependent = (args.flags & GUMTILE_SAMPLE_PROGRAMMATIC) != 0;
  launch.weights_stable = (args.flags & GUMTILE_SAMPLE_WEIGHTS_STABLE) != 0;
  const Kernel* kernel = variant->kernel_of_bucket[head::bucket_of(args.rows)];
  return kernel->launch(stream, args.rows, bound.inputs(), bound.outputs(), args.workspace,
                        args.workspace_bytes, launch);
}

std::vector<std::string> LmHead::validate(const gumtile_sample_args& args, int64_t slots,
                                          std::string* note) const {
  std::vector<std::string> faults;
  const LmHeadOptions& options = impl_->options;
  if (args.rows < 0) faults.push_back(fmt::format("rows is {}; at least 0 is needed", args.rows));
  if (kernel_for(std::max<int64_t>(args.rows, 1), impl_->requested.of(args)) == nullptr)
    faults.push_back(
        fmt::format("no kernel is prepared for {} rows with these outputs; the head is prepared "
                    "for {} rows",
                    args.rows, impl_->variants.prepared_rows()));
  if (!faults.empty() || args.rows == 0) return faults;

  const auto rows = static_cast<size_t>(args.rows);
  const int64_t stride = impl_->row_stride(args);
  if (stride < options.hidden_size)
    faults.push_back(fmt::format("hidden_row_stride is {} elements, less than the hidden size {}", stride,
                                 options.hidden_size));
  const size_t needed = kernel_for(args.rows, impl_->requested.of(args))->workspace_bytes(args.rows);
  if (args.workspace_bytes < needed)
    faults.push_back(fmt::format("the workspace has {} bytes; {} are needed", args.workspace_bytes, needed));
  if (needed != 0 || args.workspace != nullptr) {
    if (reinterpret_cast<uintptr_t>(args.workspace) % kWorkspaceAlignment != 0)
      faults.push_back(
          fmt::format("workspace: {} is not a multiple of {} bytes", args.workspace, kWorkspaceAlignment));
    const std::string fault = impl_->engine->pointer_fault(args.workspace, args.workspace_bytes);
    if (!fault.empty()) faults.push_back("workspace: " + fault);
  }
  const std::vector<std::string> arrays = head::array_faults(*impl_->engine, options, args, stride,
                                                             slots > 0 ? static_cast<size_t>(slots) : rows);
  faults.insert(faults.end(), arrays.begin(), arrays.end());
  const bool on_host = !impl_->engine->device().target.is_cuda();
  if (faults.empty() && args.seed == nullptr && !(on_host && head::is_greedy_on_host(args)))
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
