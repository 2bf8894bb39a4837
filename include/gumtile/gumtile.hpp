// gumtile.h for C++17: owning handles, and failures that throw. Header only; everything goes through the C interface,
// so that a program may be built with another compiler or standard library than gumtile.
//
//     #include <gumtile/gumtile.hpp>
//
//     gumtile::embed::Engine engine;  // the first GPU, else the CPU
//     gumtile::embed::HeadOptions options;
//     options.vocab_size = 151936;
//     options.hidden_size = 4096;
//     options.weights = weights;  // device memory
//     gumtile::embed::Head head(engine, options);
//     head.prepare(256, {0, GUMTILE_FEATURE_LOGPROB});
//     ...
//     gumtile::embed::SampleArgs args;
//     args.rows = rows;
//     ...
//     gumtile_status status = head.sample(stream, args);  // does not throw
#ifndef GUMTILE_GUMTILE_HPP
#define GUMTILE_GUMTILE_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gumtile/gumtile.h"

namespace gumtile {
namespace embed {

/// The failure of a set-up call. `what()` is gumtile_last_error().
class Error : public std::runtime_error {
 public:
  Error(gumtile_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  gumtile_status status() const noexcept { return status_; }

 private:
  gumtile_status status_;
};

/// Throws Error unless `status` is GUMTILE_OK.
inline void check(gumtile_status status) {
  if (status != GUMTILE_OK) throw Error(status, gumtile_last_error());
}

/// The structs of gumtile.h with their defaults; they add no fields.
struct EngineOptions : gumtile_engine_options {
  EngineOptions() : gumtile_engine_options GUMTILE_ENGINE_OPTIONS_INIT {}
};
struct DeviceInfo : gumtile_device_info {
  DeviceInfo() : gumtile_device_info GUMTILE_DEVICE_INFO_INIT {}
};
struct EngineStats : gumtile_engine_stats {
  EngineStats() : gumtile_engine_stats GUMTILE_ENGINE_STATS_INIT {}
};
struct HeadOptions : gumtile_head_options {
  HeadOptions() : gumtile_head_options GUMTILE_HEAD_OPTIONS_INIT {}
};
struct SampleArgs : gumtile_sample_args {
  SampleArgs() : gumtile_sample_args GUMTILE_SAMPLE_ARGS_INIT {}
};
struct KernelChoice : gumtile_kernel_choice {
  KernelChoice() : gumtile_kernel_choice GUMTILE_KERNEL_CHOICE_INIT {}
};

/// Owns an engine. Movable; thread safe as gumtile_engine is.
class Engine {
 public:
  Engine() : Engine(EngineOptions()) {}
  explicit Engine(const char* device) : Engine(on(device)) {}
  explicit Engine(const EngineOptions& options) {
    gumtile_engine* opened = nullptr;
    check(gumtile_engine_open(&options, &opened));
    engine_.reset(opened);
  }

  DeviceInfo device() const {
    DeviceInfo info;
    check(gumtile_engine_describe(get(), &info));
    return info;
  }
  EngineStats stats() const {
    EngineStats stats;
    check(gumtile_engine_get_stats(get(), &stats));
    return stats;
  }

  void* allocate(std::size_t bytes) {
    void* memory = nullptr;
    check(gumtile_engine_allocate(get(), bytes, &memory));
    return memory;
  }
  void release(void* memory) { check(gumtile_engine_release(get(), memory)); }
  void copy_to_device(void* to, const void* from, std::size_t bytes) {
    check(gumtile_engine_copy_to_device(get(), to, from, bytes));
  }
  void copy_to_host(void* to, const void* from, std::size_t bytes) {
    check(gumtile_engine_copy_to_host(get(), to, from, bytes));
  }
  void synchronize(void* stream = nullptr) { check(gumtile_engine_synchronize(get(), stream)); }

  gumtile_engine* get() const noexcept { return engine_.get(); }

 private:
  static EngineOptions on(const char* device) {
    EngineOptions options;
    options.device = device;
    return options;
  }
  struct Close {
    void operator()(gumtile_engine* engine) const noexcept { gumtile_engine_close(engine); }
  };
  std::unique_ptr<gumtile_engine, Close> engine_;
};

/// Owns a head. Movable; thread safe as gumtile_head is.
class Head {
 public:
  Head(Engine& engine, const HeadOptions& options) {
    gumtile_head* made = nullptr;
    check(gumtile_head_create(engine.get(), &options, &made));
    head_.reset(made);
  }

  /// `progress(done, total)` returns whether to continue; it must not throw.
  void prepare(std::int64_t max_rows, const std::vector<std::uint32_t>& feature_sets = {GUMTILE_FEATURE_LOGPROB},
               const std::function<bool(int, int)>& progress = {}, int threads = 0) {
    gumtile_prepare_options options = GUMTILE_PREPARE_OPTIONS_INIT;
    options.max_rows = max_rows;
    const std::uint32_t none = 0;  // an empty vector may have no address, which would mean the default
    options.feature_sets = feature_sets.empty() ? &none : feature_sets.data();
    options.feature_set_count = feature_sets.size();
    options.threads = threads;
    if (progress) {
      options.progress = [](void* user, int done, int total) {
        return (*static_cast<const std::function<bool(int, int)>*>(user))(done, total) ? 1 : 0;
      };
      options.progress_user = const_cast<std::function<bool(int, int)>*>(&progress);
    }
    check(gumtile_head_prepare(get(), &options));
  }

  void set_weights(const void* weights, std::int64_t row_stride = 0) {
    check(gumtile_head_set_weights(get(), weights, row_stride));
  }

  /// `name`: a member of gumtile_head_options, such as "bias".
  void set_array(const char* name, const void* data) {
    check(gumtile_head_set_array(get(), name, data));
  }

  /// Bytes; the alignment is 256.
  std::size_t workspace_size(std::int64_t max_rows) const {
    std::size_t bytes = 0;
    check(gumtile_head_workspace_size(get(), max_rows, &bytes, nullptr));
    return bytes;
  }
  void workspace_init(void* stream, void* workspace, std::size_t bytes) const {
    check(gumtile_head_workspace_init(get(), stream, workspace, bytes));
  }

  /// The hot path: returns a status and does not throw.
  gumtile_status sample(void* stream, const SampleArgs& args) const noexcept {
    return gumtile_head_sample(get(), stream, &args);
  }
  /// Throws Error naming every fault of `args`.
  void validate(const SampleArgs& args, std::int64_t slots = 0) const {
    check(gumtile_head_validate(get(), &args, slots));
  }

  /// The texts are valid until the head is prepared again.
  std::vector<KernelChoice> choices() const {
    std::vector<KernelChoice> all(gumtile_head_choice_count(get()));
    for (std::size_t i = 0; i < all.size(); ++i) check(gumtile_head_get_choice(get(), i, &all[i]));
    return all;
  }

  gumtile_head* get() const noexcept { return head_.get(); }

 private:
  struct Destroy {
    void operator()(gumtile_head* head) const noexcept { gumtile_head_destroy(head); }
  };
  std::unique_ptr<gumtile_head, Destroy> head_;
};

}  // namespace embed
}  // namespace gumtile

#endif
