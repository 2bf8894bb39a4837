#include "gumtile/lm_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "gumtile/error.h"
#include "gumtile/plan.h"
#include "runtime/engine/batch_buckets.h"

namespace gumtile {
namespace {

/// More rows than any batch has. The Program counts rows in 32 bits, and the table of buckets stays small.
constexpr int64_t kMaxRows = int64_t{1} << 20;

/// What a call may bind, by the Program's names (gumtile/programs.h). `sample` fills arrays in this order;
/// which of them the Program's first, second, … input is, is found once.
enum InputSource : size_t {
  hidden_states_input,
  weights_input,
  temperature_input,
  seed_input,
  offset_input,
  row_slot_input,
  num_rows_input,
  invalid_token_input,
  token_position_input,
  hidden_index_input,
  input_sources
};
constexpr std::array<std::string_view, input_sources> kInputNames = {
    "hidden_states", "weights",  "temperature",   "seed",           "offset",
    "row_slot",      "num_rows", "invalid_token", "token_position", "hidden_index"};

enum OutputSource : size_t { token_output, logprob_output, status_output, any_status_output, output_sources };
constexpr std::array<std::string_view, output_sources> kOutputNames = {"token", "logprob", "status",
                                                                       "any_status"};

template <size_t kCount>
struct SourceOrder {
  std::array<size_t, kCount> source{};  ///< for each of the Program's inputs (or outputs)
  size_t count = 0;

  template <typename Infos>
  static SourceOrder find(const Infos& infos, const std::array<std::string_view, kCount>& names) {
    SourceOrder order;
    for (const auto& info : infos) {
      const auto found = std::find(names.begin(), names.end(), info.name);
      if (found == names.end() || order.count == kCount)
        throw Error(ErrorCode::internal,
                    fmt::format("the sampling Program has an unexpected '{}'", info.name));
      order.source[order.count++] = static_cast<size_t>(found - names.begin());
    }
    return order;
  }
};

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
  const size_t last = engine::bucket_of(max_rows);
  ends.reserve(last + 1);
  for (size_t bucket = 0; bucket <= last; ++bucket) ends.push_back(engine::bucket_end(bucket));
  return ends;
}

struct LmHead::Impl {
  struct Prepared {
    Schedule schedule;
    Kernel kernel;
  };

  std::shared_ptr<Engine> engine;
  LmHeadOptions options;
  const void* weights = nullptr;
  int64_t weights_row_stride = 0;
  Program program;
  SourceOrder<input_sources> inputs;
  SourceOrder<output_sources> outputs;
  bool has_logprob = false;

  // Kernels are only added: a captured graph may hold on to any of them.
  std::vector<std::unique_ptr<const Prepared>> kernels;
  std::vector<const Prepared*> kernel_of_bucket;
  int64_t prepared_rows = 0;

  Schedule schedule_for(const Problem& problem) const {
    if (options.schedule) return *options.schedule;
    const DeviceDescription& device = engine->device();
    return default_schedule(program, problem, device.target,
                            {device.workers, device.memory_bytes_per_second});
  }

  const Prepared* load(const Problem& problem, const Schedule& schedule) {
    for (const auto& prepared : kernels)
      if (prepared->schedule == schedule) return prepared.get();
    const KernelPlan plan = make_plan(program, problem, schedule, engine->device().target);
    Prepared prepared{schedule, engine->load(plan)};
    prepared.kernel.bind_weights(weights, weights_row_stride);
    kernels.push_back(std::make_unique<const Prepared>(std::move(prepared)));
    return kernels.back().get();
  }
};

LmHead::LmHead(std::shared_ptr<Engine> engine, const LmHeadOptions& options, const void* weights,
               int64_t weights_row_stride)
    : impl_(std::make_unique<Impl>()) {
  require(engine != nullptr, "a sampling head needs an engine");
  require(options.vocab_size >= 1, fmt::format("vocab_size is {}; at least 1 is needed", options.vocab_size));
  require(options.hidden_size >= 1,
          fmt::format("hidden_size is {}; at least 1 is needed", options.hidden_size));
  require(options.first_token >= 0,
          fmt::format("first_token is {}; at least 0 is needed", options.first_token));
  require(weights != nullptr, "the address of the weights is null");
  if (weights_row_stride == 0) weights_row_stride = options.hidden_size;
  require(weights_row_stride >= options.hidden_size,
          fmt::format("the weights' row stride is {} elements, less than the hidden size {}",
                      weights_row_stride, options.hidden_size));
  const auto element_bytes = static_cast<int>(size_bytes(options.weights_dtype));
  require(alignment_of(weights, weights_row_stride, options.weights_dtype) >= element_bytes,
          fmt::format("the address of the weights must be a multiple of their element's {} bytes",
                      element_bytes));

  impl_->engine = std::move(engine);
  impl_->options = options;
  impl_->weights = weights;
  impl_->weights_row_stride = weights_row_stride;
  impl_->program = lm_head_sample(
      {options.noise, options.hidden_dtype, options.weights_dtype, options.logprob, options.token_dtype});
  impl_->inputs = SourceOrder<input_sources>::find(impl_->program.inputs, kInputNames);
  impl_->outputs = SourceOrder<output_sources>::find(impl_->program.outputs, kOutputNames);
  impl_->has_logprob = options.logprob;
}

LmHead::~LmHead() = default;
LmHead::LmHead(LmHead&&) noexcept = default;
LmHead& LmHead::operator=(LmHead&&) noexcept = default;

void LmHead::prepare(int64_t max_rows) {
  require(max_rows >= 1 && max_rows <= kMaxRows,
          fmt::format("max_rows is {}; expected 1 to {}", max_rows, kMaxRows));
  Problem problem;
  problem.columns = impl_->options.vocab_size;
  problem.first_column = impl_->options.first_token;
  problem.contracted = impl_->options.hidden_size;
  problem.weights_alignment =
      alignment_of(impl_->weights, impl_->weights_row_stride, impl_->options.weights_dtype);

  std::vector<const Impl::Prepared*> kernel_of_bucket;
  for (int64_t end : batch_buckets(std::max(max_rows, impl_->prepared_rows))) {
    problem.max_rows = end;
    const Schedule schedule = impl_->schedule_for(problem);
    // Families add up a dot product in different orders: with two of them a request's token would depend on
    // how many others are in its batch.
    if (!kernel_of_bucket.empty() &&
        schedule.family.index() != kernel_of_bucket.front()->schedule.family.index()) {
      throw Error(ErrorCode::internal,
                  fmt::format("the batch buckets got kernels of two families: '{}' and '{}'",
                              kernel_of_bucket.front()->schedule.str(), schedule.str()));
    }
    kernel_of_bucket.push_back(impl_->load(problem, schedule));
  }
  impl_->kernel_of_bucket = std::move(kernel_of_bucket);
  impl_->prepared_rows = std::max(max_rows, impl_->prepared_rows);
}

size_t LmHead::workspace_bytes(int64_t max_rows) const {
  require(
      max_rows <= impl_->prepared_rows,
      fmt::format(
          "the workspace for {} rows was asked for, but the head is prepared for {}; call prepare({}) first",
          max_rows, impl_->prepared_rows, max_rows));
  Kernel::WorkspaceBytes largest;
  for (int64_t end : batch_buckets(max_rows)) {
    const int64_t rows = std::min(end, max_rows);
    const Kernel::WorkspaceBytes needed = kernel_for(rows)->workspace(rows);
    largest.state = std::max(largest.state, needed.state);
    largest.scratch = std::max(largest.scratch, needed.scratch);
  }
  return largest.total();
}

Status LmHead::workspace_init(StreamHandle stream, void* workspace, size_t workspace_bytes) const noexcept {
  const Kernel* kernel = kernel_for(1);
  return kernel == nullptr ? Status::not_prepared
                           : kernel->workspace_init(stream, workspace, workspace_bytes);
}

const Kernel* LmHead::kernel_for(int64_t rows) const noexcept {
  if (rows < 1 || rows > impl_->prepared_rows) return nullptr;
  return &impl_->kernel_of_bucket[engine::bucket_of(rows)]->kernel;
}

Status LmHead::sample(StreamHandle stream, const SampleArgs& args) const noexcept {
  if (args.rows == 0) return Status::ok;
  if (args.rows < 0) return Status::invalid_argument;
  const Kernel* kernel = kernel_for(args.rows);
  if (kernel == nullptr) return impl_->prepared_rows == 0 ? Status::not_prepared : Status::too_many_rows;
  if (args.logprob != nullptr && !impl_->has_logprob) return Status::not_prepared;

  const int64_t hidden_row_stride =
      args.hidden_row_stride == 0 ? impl_->options.hidden_size : args.hidden_row_stride;
  const bool wide = impl_->options.token_dtype == DType::i64;
  void* const token = wide ? static_cast<void*>(args.token_i64) : args.token;
  const void* const other_token = wide ? static_cast<void*>(args.token) : args.token_i64;
  if (args.hidden_states == nullptr || token == nullptr || other_token != nullptr ||
      hidden_row_stride < impl_->options.hidden_size)
    return Status::invalid_argument;

  auto readable = [](const void* data, int64_t row_stride = 0) {
    return Binding{const_cast<void*>(data), row_stride};
  };
  std::array<Binding, input_sources> given_inputs;
  given_inputs[hidden_states_input] = readable(args.hidden_states, hidden_row_stride);
  given_inputs[weights_input] = readable(impl_->weights, impl_->weights_row_stride);
  given_inputs[temperature_input] = readable(args.temperature);
  given_inputs[seed_input] = readable(args.seed);
  given_inputs[offset_input] = readable(args.offset);
  given_inputs[row_slot_input] = readable(args.row_slot);
  given_inputs[num_rows_input] = readable(args.num_rows);
  given_inputs[invalid_token_input] = readable(args.invalid_token);
  given_inputs[token_position_input] = readable(args.token_position);
  given_inputs[hidden_index_input] = readable(args.hidden_index);
  std::array<Binding, output_sources> given_outputs;
  given_outputs[token_output] = {token, 0};
  given_outputs[logprob_output] = {args.logprob, 0};
  given_outputs[status_output] = {args.status, 0};
  given_outputs[any_status_output] = {args.any_status, 0};

  std::array<Binding, input_sources> inputs;
  for (size_t i = 0; i < impl_->inputs.count; ++i) inputs[i] = given_inputs[impl_->inputs.source[i]];
  std::array<Binding, output_sources> outputs;
  for (size_t i = 0; i < impl_->outputs.count; ++i) outputs[i] = given_outputs[impl_->outputs.source[i]];
  return kernel->launch(stream, args.rows, std::span(inputs.data(), impl_->inputs.count),
                        std::span(outputs.data(), impl_->outputs.count), args.workspace, args.workspace_bytes,
                        args.launch);
}

const LmHeadOptions& LmHead::options() const { return impl_->options; }

}  // namespace gumtile
