#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/engine.h"
#include "gumtile/gumtile.h"
#include "gumtile/head_program.h"
#include "gumtile/schedule.h"

namespace gumtile {

/// What one sampling call reads and writes: gumtile_sample_args, whose members gumtile.h documents; addresses
/// that the device can read. A value type, cheap enough to construct for every launch.
struct SampleArgs : gumtile_sample_args {
  SampleArgs() noexcept : gumtile_sample_args GUMTILE_SAMPLE_ARGS_INIT {}
};

/// An input or output of a user's own fragment, bound for one launch.
struct NamedBinding {
  std::string_view name;
  Binding binding;
};

struct LmHeadOptions {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  /// The token id of the weights' first row: heads over ranges of one vocabulary sample by global token ids.
  int64_t first_token = 0;
  DType hidden_dtype = DType::bf16;  ///< rounded to weights_dtype if it differs
  DType weights_dtype = DType::bf16;
  NoiseScheme noise = NoiseScheme::grouped;
  DType token_dtype = DType::i32;  ///< of SampleArgs::token: i32 or i64
  HeadSettings settings = {};      ///< applied to the logits of all rows
  /// The user's own, run after gumtile's of the same stage. A launch binds their inputs and outputs by name.
  std::vector<Fragment> fragments = {};
  std::optional<Schedule> schedule;  ///< for every bucket, instead of tuning records and the built-in choice
};

/// The options of the Program that a head runs for a set of features, and that Program.
SamplingOptions sampling_options(const LmHeadOptions& options, Features features);
Program lm_head_program(const LmHeadOptions& options, Features features);

/// What `LmHead::prepare` prepares.
struct PrepareOptions {
  int64_t max_rows = 1;
  /// One kernel per batch bucket is prepared for each set. A launch takes, of those with all features that it
  /// requests, the one with the fewest.
  std::vector<Features> feature_sets = {feature_logprob};
  /// Called on the preparing thread whenever a kernel is ready; `false` cancels. May be empty.
  std::function<bool(int done, int total)> progress;
  int threads = 0;  ///< that compile at the same time; 0: as many as there are processors, up to 16
};

/// One kernel of a head, and what chose its schedule.
struct KernelChoice {
  Features features = 0;
  int64_t max_rows = 0;  ///< the upper end of the batch bucket
  std::string schedule;
  /// "option", "user record …", "pack record …", "shipped record …", "built-in heuristic" or "what the source
  /// has". A record may be "…, of the nearest class (words=5 here, 3 there)".
  std::string rule;
  std::string note;  ///< why another schedule was not used; may be empty
};

/// A sampling LM head on one engine: borrowed weights and a prepared kernel for every batch bucket, a range
/// of batch sizes. One kernel family serves all buckets and feature sets, so that a request's token does not
/// depend on its neighbours.
class LmHead {
 public:
  /// `weights`: [vocab_size, hidden_size] on the engine's device, row-major with `weights_row_stride`
  /// elements per row (0: hidden_size). Borrowed: must outlive the head; bytes changed in place take effect
  /// at the next launch. Throws Error(usage) if the device cannot read them.
  LmHead(std::shared_ptr<Engine> engine, const LmHeadOptions& options, const void* weights,
         int64_t weights_row_stride = 0);
  ~LmHead();
  LmHead(LmHead&&) noexcept;
  LmHead& operator=(LmHead&&) noexcept;

  /// Compiles (or takes from the engine's cache) and loads a kernel for each feature set and each bucket up
  /// to `max_rows`. Throws Error; Error(cancelled) if `progress` returned false, after which what was
  /// prepared before remains usable. Not to be called while launches are in flight. A later call only adds to
  /// what is prepared: captured graphs and pointers to kernels stay valid.
  void prepare(const PrepareOptions& options);
  void prepare(int64_t max_rows, std::vector<Features> feature_sets = {feature_logprob});

  /// Uses other weights of the same shape from the next launch on; nothing is compiled. Throws Error(usage)
  /// if they are aligned to less than those that the head was prepared for, or if the device cannot read
  /// them. Not to be called while other threads launch; graphs captured before keep the old address.
  void set_weights(const void* weights, int64_t weights_row_stride = 0);

  /// Uses another array of the settings, such as another bias of the same type, under the same conditions;
  /// `name` is the name of its member. Throws Error(usage) if the head was created without it.
  void set_array(std::string_view name, const void* data);

  /// Bytes of workspace, aligned to 256, for launches of up to `max_rows` rows with any prepared features.
  /// Heads that share a workspace need the sum of their sizes. Throws Error(usage) for more rows than are
  /// prepared.
  size_t workspace_bytes(int64_t max_rows) const;

  /// Initialises a workspace on `stream` before its first launch, and again after a launch that failed or if
  /// its contents were lost. Does not allocate, synchronise or throw.
  Status workspace_init(StreamHandle stream, void* workspace, size_t workspace_bytes) const noexcept;

  /// Samples on `stream`. Does not allocate, synchronise or throw. Thread safe with a workspace per stream.
  /// With no rows nothing is written. Returns `not_prepared` before `prepare`, and if `args` requests a
  /// feature that no prepared set has. The stream, and a capture on it, are then left as they were.
  ///
  /// `extra` binds the inputs and outputs that the options' fragments added, each by its name. An unknown
  /// name is an `invalid_argument`, and so is a missing input that is not optional.
  Status sample(StreamHandle stream, const gumtile_sample_args& args,
                std::span<const NamedBinding> extra = {}) const noexcept;

  /// Describes everything that is wrong with `args`; empty if nothing is. Asks the driver about every pointer
  /// and, on the CPU, checks every index: for debugging, not for every launch. `slots`: how many slots there
  /// are, to check the arrays over slots; 0: as many as rows.
  ///
  /// The first time that a head sees a null `seed` and rows that are not greedy, it explains what that means
  /// in the engine's log, and in `note` if that is given.
  std::vector<std::string> validate(const gumtile_sample_args& args, int64_t slots = 0,
                                    std::string* note = nullptr) const;

  /// The kernel that serves a batch of `rows` with these features; null if none is prepared.
  const Kernel* kernel_for(int64_t rows, Features features = 0) const noexcept;

  /// All prepared kernels, by feature set and bucket.
  std::vector<KernelChoice> choices() const;

  const LmHeadOptions& options() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The upper ends of the batch buckets up to and including the one that holds `max_rows`: 1, 4, 8, 16, 32,
/// 64, 128, 256, then multiples of 128. Empty for less than one row.
std::vector<int64_t> batch_buckets(int64_t max_rows);

}  // namespace gumtile
