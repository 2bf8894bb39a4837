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
#include "gumtile/log.h"
#include "gumtile/target.h"

namespace gumtile {

/// The result of a launch. A launch never throws.
enum class Status : int {
  ok = 0,
  not_prepared,         ///< no kernel was prepared for this
  too_many_rows,        ///< more rows than prepared for
  workspace_too_small,  ///< query the required size up front
  invalid_argument,     ///< a null or misaligned pointer, a negative count
  launch_failed,        ///< the driver refused the launch before the kernel ran
  context_lost,         ///< an earlier kernel fault made the device's context unusable
  forked,               ///< the engine was opened in a parent process: open one in this process
};
std::string_view name(Status status);

/// An input or output at launch: an address the device can read (host memory on `cpu`), aligned to its
/// element, and, for matrices, the row stride in elements (at least 1; an output's at least its columns).
/// Null: absent.
struct Binding {
  void* data = nullptr;
  int64_t row_stride = 0;
};

/// The alignment in bytes of workspaces, and of the parts within them.
inline constexpr size_t kWorkspaceAlignment = 256;

/// An opaque stream: a CUstream (or cudaStream_t) on a GPU, ignored on `cpu`.
using StreamHandle = void*;

/// How a launch fits between others of its stream. Kernels of families other than wgmma ignore both options.
struct LaunchOptions {
  /// The kernel may start before the stream's previous kernel has ended (programmatic dependent launch). It
  /// then waits on the device before it reads or writes anything, except as `weights_stable` allows.
  bool programmatic_dependent = false;
  /// No kernel that may still run writes the weights: they are fetched without waiting.
  bool weights_stable = false;
};

class Engine;
class ModuleCache;
class TuningRecords;

/// One compiled and loaded kernel: a Program for one problem under one schedule. Launching is thread safe if
/// concurrent launches have separate workspaces. Keeps its engine's device alive. Kernels of equal plans
/// share their code on the device.
class Kernel {
 public:
  ~Kernel();
  Kernel(Kernel&&) noexcept;
  Kernel& operator=(Kernel&&) noexcept;

  const KernelArtifact& artifact() const;

  /// GPU: bytes of local memory per thread of the sweep: more than 0 if registers are spilled.
  int local_bytes() const;

  /// Describes the right operand of the contraction (weights [columns, contracted], `row_stride` elements
  /// from row to row) to the driver, so that launches with these weights need not do it again; launches with
  /// other weights still work. If the driver refuses, launches describe the weights themselves. Does not
  /// throw. Not to be called while launches are in flight.
  void bind_weights(const void* data, int64_t row_stride);

  /// Bytes of device (or host) memory that a launch of up to `max_rows` rows needs, aligned to 256. May be
  /// shared by launches in stream order, also of other kernels, if it is as large as the largest state plus
  /// the largest scratch of them, and all are given the same size.
  struct WorkspaceBytes {
    size_t state = 0;    ///< at the start of the workspace: zeros between launches
    size_t scratch = 0;  ///< at the end: needs no initialisation
    size_t total() const { return state + scratch; }
  };
  WorkspaceBytes workspace(int64_t max_rows) const;
  size_t workspace_bytes(int64_t max_rows) const { return workspace(max_rows).total(); }

  /// Initialises a workspace on `stream` before its first launch, and again after a launch that failed or if
  /// its contents were lost. Every launch leaves the workspace ready for the next one. Does not allocate,
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

/// How an engine is opened. The defaults give a bare engine; `default_engine_options` gives what applications
/// usually need.
struct EngineOptions {
  std::shared_ptr<KernelSource> source;         ///< null: nothing can be loaded
  std::shared_ptr<ModuleCache> cache;           ///< where compiled kernels are kept; null: nowhere
  std::shared_ptr<const TuningRecords> tuning;  ///< null: the built-in heuristic chooses all schedules
  Log log;
  /// GPU: use the context that is current on the calling thread (which must outlive the engine) instead of
  /// the device's primary context.
  bool use_current_context = false;
  /// GPU: the most blocks that work side by side along the columns, to share the card; at least one per block
  /// of rows is used. 0: as many as the card runs.
  int max_blocks = 0;
  int cpu_threads = 0;  ///< 0: all that this process may use
};

/// The usual options: compiled kernels are assembled by ptxas if there is one (`with_assembler`) and kept in
/// the user's cache folder (`default_cache_folder()`). Schedules are those that were tuned for the device, by
/// the user or shipped with gumtile, if there are any. Looks for ptxas and reads the user's records.
EngineOptions default_engine_options(std::shared_ptr<KernelSource> source, const Log& log = {});

/// What an engine did since it was opened.
struct EngineStats {
  uint64_t compiles = 0;         ///< artifacts that the source compiled
  uint64_t ready_made = 0;       ///< artifacts that the source had ready: from a pack
  uint64_t cache_hits = 0;       ///< artifacts from the cache
  uint64_t loads = 0;            ///< kernels loaded onto the device
  uint64_t shared = 0;           ///< kernels that were loaded already
  double compile_ms = 0;         ///< in the source; the sum over all threads
  double cache_ms = 0;           ///< looking up the cache
  double load_ms = 0;            ///< including the time that the driver takes to assemble PTX
  uint64_t allocated_bytes = 0;  ///< device memory held by `allocate`; beside it only code is held
};

/// Owns one device: a GPU's primary context (retained, pushed and popped around each call) or a CPU thread
/// pool. Thread safe. After a fault on the device, every call that needs it throws Error(context_lost).
class Engine {
 public:
  /// `device`: "auto" (the first GPU, else the CPU), "cpu", "cuda:N". Throws Error(device_unavailable) naming
  /// what is there, or Error(usage) for any other text.
  ///
  /// With only a source, the engine has the usual options, `default_engine_options(source)`: a cache, tuning
  /// records and, if there is one, an assembler. With a null source it only allocates memory and describes
  /// its device.
  static std::shared_ptr<Engine> open(std::string_view device, std::shared_ptr<KernelSource> source);
  /// With options, the engine has only what they name: `EngineOptions options; options.source = ...` opens
  /// one without a cache or tuning records.
  static std::shared_ptr<Engine> open(std::string_view device, EngineOptions options);
  ~Engine();

  const DeviceDescription& device() const;
  const EngineOptions& options() const;
  /// Throws Error(device_unavailable) in a forked child.
  EngineStats stats() const;

  /// Takes the code from the cache or the source and loads it; forces the driver to load it now. Code that is
  /// already loaded is shared; if threads request the same code at the same time, the others wait for the
  /// first. Throws Error.
  Kernel load(const KernelPlan& plan);

  /// Why the device could not read `bytes` at `data`; empty if it can, or if that cannot be determined. Asks
  /// the driver: for set-up and debugging.
  std::string pointer_fault(const void* data, size_t bytes) const;

  // Memory and synchronisation for tools, tests and examples; an application brings its own. Copies are done
  // when they return. They wait only for earlier work on the default stream: `synchronize` other streams
  // first. All throw Error.
  void* allocate(size_t bytes);  ///< aligned to 256; null for no bytes
  void release(void* memory);
  void copy_to_device(void* to, const void* from, size_t bytes);  ///< synchronous
  void copy_to_host(void* to, const void* from, size_t bytes);    ///< synchronous
  void synchronize(StreamHandle stream = nullptr);

  /// Median, 5th and 95th percentile of the device time of `launch`, in microseconds: on a GPU by replaying a
  /// CUDA graph between events, on the CPU by the steady clock. `launch` gets the stream to launch on. Throws
  /// Error if it does not return ok.
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
