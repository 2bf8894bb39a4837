#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "gumtile/engine.h"
#include "runtime/engine/arguments.h"

namespace gumtile::engine {

/// What a kernel keeps about weights that were bound to it. Backends derive from it.
struct BoundWeights {
  virtual ~BoundWeights() = default;
};

/// An artifact on its device; immutable, shared by the Kernels of equal plans. This class does what is the
/// same on all devices: checking and packing arguments, laying out the workspace (the shared state at its
/// start; the records and the staged left operand at its end), deciding whether to stage.
class LoadedKernel {
 public:
  virtual ~LoadedKernel() = default;
  LoadedKernel(const LoadedKernel&) = delete;
  LoadedKernel& operator=(const LoadedKernel&) = delete;

  const KernelArtifact& artifact() const noexcept { return artifact_; }

  /// As the functions of `Kernel`.
  virtual std::unique_ptr<const BoundWeights> bind_weights(const void* /*data*/,
                                                           int64_t /*row_stride*/) const {
    return nullptr;
  }
  virtual int local_bytes() const noexcept { return 0; }
  Kernel::WorkspaceBytes workspace(int64_t max_rows) const noexcept;
  Status workspace_init(StreamHandle stream, void* workspace, size_t workspace_bytes) const noexcept;
  Status launch(StreamHandle stream, int64_t rows, std::span<const Binding> inputs,
                std::span<const Binding> outputs, void* workspace, size_t workspace_bytes,
                const LaunchOptions& options, const BoundWeights* weights) const noexcept;

 protected:
  /// `always_stage`: launches stage even if the sweep could read the left input as it lies. Throws
  /// Error(internal) for an invalid launch specification.
  LoadedKernel(KernelArtifact artifact, bool always_stage);

  const LaunchSpec& spec() const noexcept { return artifact_.launch; }

  /// The most rows that a launch can take.
  virtual int64_t row_limit() const noexcept = 0;

  /// The number of workers (blocks or threads) along the columns for a launch of `rows` (at least 1).
  virtual int64_t workers(int64_t rows) const noexcept = 0;

  /// At least rows * workers(rows) for any rows up to `max_rows`.
  virtual int64_t max_records(int64_t max_rows) const noexcept = 0;

  /// Starts the entry points; `words` is complete. `stage` runs if words[abi::word_staged] is not 0.
  /// `weights`: what this kernel's `bind_weights` returned, or null.
  virtual Status run(StreamHandle stream, const abi::Words& words, const LaunchOptions& options,
                     const BoundWeights* weights) const noexcept = 0;

  /// Whether the sweep keeps a shared state in the workspace.
  virtual bool has_shared_state() const noexcept = 0;

  virtual Status clear(StreamHandle stream, void* memory, size_t bytes) const noexcept = 0;

 private:
  uint64_t records_bytes(int64_t max_rows) const noexcept;
  static bool is_misaligned(const abi::Words& words, int input, size_t element_bytes, int alignment) noexcept;

  KernelArtifact artifact_;
  ArgumentLayout arguments_;
  bool always_stage_;
  size_t left_element_bytes_ = 0;
  size_t right_element_bytes_ = 0;
};

/// One device: loads artifacts, owns memory, measures time. The functions are those of `Engine`.
class Backend {
 public:
  virtual ~Backend() = default;

  const DeviceDescription& device() const noexcept { return device_; }

  virtual std::unique_ptr<const LoadedKernel> load(KernelArtifact artifact) = 0;

  virtual std::string pointer_fault(const void* /*data*/, size_t /*bytes*/) const { return {}; }

  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual void copy_to_device(void* to, const void* from, size_t bytes) = 0;
  virtual void copy_to_host(void* to, const void* from, size_t bytes) = 0;
  virtual void synchronize(StreamHandle stream) = 0;

  virtual Engine::Timing time(const std::function<Status(StreamHandle)>& launch, int repeats, int warmup) = 0;

 protected:
  DeviceDescription device_;
};

}  // namespace gumtile::engine
