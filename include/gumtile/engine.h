#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/artifact.h"
#include "gumtile/kernel_source.h"
#include "gumtile/target.h"

namespace gumtile {

/// What a launch returns. A launch never throws.
enum class Status : int {
  ok = 0,
  not_prepared,         ///< no kernel was prepared for this
  too_many_rows,        ///< more rows than prepared for
  workspace_too_small,  ///< query the size needed up front
  invalid_argument,     ///< a null or misaligned pointer, a negative count
  launch_failed,        ///< the driver refused, before the kernel ran
  context_lost,         ///< an earlier kernel fault made the device's context unusable
};
std::string_view name(Status status);

/// An input or output at launch: an address the device can read (host memory on `cpu`), aligned to its
/// element, and, for matrices, the row stride in elements (at least 1; an output's at least its columns).
/// Null: absent.
struct Binding {
  void* data = nullptr;
  int64_t row_stride = 0;
};

/// An opaque stream: a CUstream (or cudaStream_t) on a GPU, ignored on `cpu`.
using StreamHandle = void*;

/// How a launch fits between others of its stream. Kernels of families other than wgmma ignore both.
struct LaunchOptions {
  /// May start before the stream's previous kernel has ended (programmatic dependent launch): it then waits
  /// on the device before it reads or writes anything, but for what `weights_stable` allows.
  bool programmatic_dependent = false;
  /// No kernel that may still run writes the weights: they are fetched without waiting.
  bool weights_stable = false;
};

class Engine;

/// One compiled and loaded kernel: a Program for one problem under one schedule. Launching is thread safe as
/// long as concurrent launches have workspaces of their own. Keeps its engine's device alive.
class Kernel {
 public:
  ~Kernel();
  Kernel(Kernel&&) noexcept;
  Kernel& operator=(Kernel&&) noexcept;

  const KernelArtifact& artifact() const;

  /// Prepares for launches whose right operand of the contraction (weights [columns, contracted],
  /// `row_stride` elements from row to row) lies here, so that they need not describe it to the driver again;
  /// launches with other weights still work. Where the driver refuses it, launches describe it themselves.
  /// Does not throw. Not to be called while launches are in flight.
  void bind_weights(const void* data, int64_t row_stride);

  /// Bytes of device (or host) memory that a launch of up to `max_rows` rows needs, aligned to 256. May be
  /// shared by launches in stream order, also of other kernels, if it is as large as the largest sum of one's
  /// state and another's scratch, and all are given the same size of it.
  struct WorkspaceBytes {
    size_t state = 0;    ///< at the workspace's start: zeros between launches
    size_t scratch = 0;  ///< at its end: needs no initialisation
    size_t total() const { return state + scratch; }
  };
  WorkspaceBytes workspace(int64_t max_rows) const;
  size_t workspace_bytes(int64_t max_rows) const { return workspace(max_rows).total(); }

  /// Readies a workspace for its first launch, on `stream`, and again after a launch that failed or when its
  /// contents were lost. Every launch leaves the workspace ready for the next one. Does not allocate,
  /// synchronise or throw.
  Status workspace_init(StreamHandle stream, void* workspace, size_t workspace_bytes) const noexcept;

  /// Inputs and outputs in the Program's order (`artifact().launch.inputs`). Does not allocate, synchronise
  /// (on a GPU) or throw; can be captured into a CUDA graph. On `cpu` it returns when the work is done.
  /// `workspace` must be aligned to 256 bytes and initialised. A null `stream` is the legacy default stream.
  /// With no rows nothing is written.
  Status launch(StreamHandle stream, int64_t rows, std::span<const Binding> inputs,
                std::span<const Binding> outputs, void* workspace, size_t workspace_bytes,
                const LaunchOptions& options = {}) const noexcept;

  struct Impl;
  explicit Kernel(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

/// What an engine runs on.
struct DeviceDescription {
  std::string name;  ///< "NVIDIA H200", or the CPU's brand
  std::string id;    ///< "cuda:0" or "cpu"
  Target target;
  int workers = 0;  ///< multiprocessors, or CPU threads
  size_t memory_bytes = 0;
  /// Peak of the device's memory by its clock and bus width, bytes per second; 0: unknown.
  double memory_bytes_per_second = 0;
};

/// Owns one device: a GPU's primary context (retained, pushed and popped around each call) or a CPU thread
/// pool. Thread safe.
class Engine {
 public:
  /// `device`: "auto" (the first GPU, else the CPU), "cpu", "cuda:N". Throws Error(device_unavailable) naming
  /// what is there, or Error(usage) for another text.
  static std::shared_ptr<Engine> open(std::string_view device, std::shared_ptr<KernelSource> source);
  ~Engine();

  const DeviceDescription& device() const;

  /// Compiles (through the source) and loads; forces the driver to load the code. Throws Error.
  Kernel load(const KernelPlan& plan);

  // Memory and synchronisation for tools, tests and examples; an application brings its own. Copies are done
  // when they return and wait for earlier work on the default stream only: `synchronize` others first. All
  // throw Error.
  void* allocate(size_t bytes);  ///< aligned to 256; null for no bytes
  void release(void* memory);
  void copy_to_device(void* to, const void* from, size_t bytes);  ///< synchronous
  void copy_to_host(void* to, const void* from, size_t bytes);    ///< synchronous
  void synchronize(StreamHandle stream = nullptr);

  /// Median, 5th and 95th percentile of the device time of `launch`, in microseconds: on a GPU by replaying a
  /// CUDA graph between events, on the CPU by the steady clock. `launch` gets the stream to launch on. Throws
  /// Error where it does not return ok.
  struct Timing {
    double median_us = 0, p5_us = 0, p95_us = 0;
  };
  Timing time(const std::function<Status(StreamHandle)>& launch, int repeats, int warmup = 3);

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gumtile
