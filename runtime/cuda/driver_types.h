#pragma once

#include <cstddef>
#include <cstdint>

/// Our own declarations of the part of the CUDA Driver API that gumtile uses, so that neither building nor
/// running needs a CUDA toolkit. Handles and types keep NVIDIA's names; enumerators are ours. Their values
/// and layouts are the driver's ABI: tests/check_cuda_declarations.cpp compares them with a real cuda.h.
/// Source: CUDA Driver API reference manual.
namespace gumtile::cuda {

using CUdevice = int;
using CUdeviceptr = uint64_t;
using CUcontext = struct CUctx_st*;
using CUmodule = struct CUmod_st*;
using CUfunction = struct CUfunc_st*;
using CUstream = struct CUstream_st*;
using CUevent = struct CUevent_st*;
using CUgraph = struct CUgraph_st*;
using CUgraphExec = struct CUgraphExec_st*;

/// The result of a driver call. Only the values that gumtile distinguishes; a driver may return others.
enum class CUresult : int {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  not_initialized = 3,
  deinitialized = 4,
  stub_library = 34,
  no_device = 100,
  invalid_device = 101,
  invalid_image = 200,
  invalid_context = 201,
  no_binary_for_gpu = 209,
  ecc_uncorrectable = 214,
  invalid_ptx = 218,
  nvlink_uncorrectable = 220,
  jit_compiler_not_found = 221,
  unsupported_ptx_version = 222,
  invalid_source = 300,
  invalid_handle = 400,
  not_found = 500,
  not_ready = 600,
  illegal_address = 700,
  launch_out_of_resources = 701,
  launch_timeout = 702,
  context_is_destroyed = 709,
  assert_triggered = 710,
  hardware_stack_error = 714,
  illegal_instruction = 715,
  misaligned_address = 716,
  invalid_address_space = 717,
  invalid_pc = 718,
  launch_failed = 719,
  cooperative_launch_too_large = 720,
  not_permitted = 800,
  not_supported = 801,
  system_driver_mismatch = 803,
  stream_capture_unsupported = 900,
  stream_capture_invalidated = 901,
  stream_capture_merge = 902,
  stream_capture_unmatched = 903,
  stream_capture_unjoined = 904,
  stream_capture_isolation = 905,
  stream_capture_implicit = 906,
  captured_event = 907,
  stream_capture_wrong_thread = 908,
  invalid_cluster_size = 912,
  unknown = 999,
};

enum class CUdevice_attribute : int {
  max_threads_per_block = 1,
  clock_rate_khz = 13,
  multiprocessor_count = 16,
  memory_clock_rate_khz = 36,
  global_memory_bus_width_bits = 37,
  l2_cache_size_bytes = 38,
  compute_capability_major = 75,
  compute_capability_minor = 76,
  max_shared_memory_per_multiprocessor = 81,
  max_registers_per_multiprocessor = 82,
  max_shared_memory_per_block_optin = 97,
  cluster_launch = 120,
};

enum class CUfunction_attribute : int {
  max_threads_per_block = 0,
  shared_size_bytes = 1,
  const_size_bytes = 2,
  local_size_bytes = 3,
  registers = 4,
  ptx_version = 5,
  binary_version = 6,
  max_dynamic_shared_size_bytes = 8,
  preferred_shared_memory_carveout = 9,
  non_portable_cluster_size_allowed = 14,
};

enum class CUpointer_attribute : int {
  context = 1,
  memory_type = 2,
  device_pointer = 3,
  host_pointer = 4,
  is_managed = 8,
  device_ordinal = 9,
  range_start_address = 11,
  range_size = 12,
};

/// The value of `CUpointer_attribute::memory_type`.
enum class CUmemorytype : int { host = 1, device = 2, array = 3, unified = 4 };

enum class CUjit_option : int {
  max_registers = 0,
  wall_time_ms = 2,
  info_log_buffer = 3,
  info_log_buffer_size_bytes = 4,
  error_log_buffer = 5,
  error_log_buffer_size_bytes = 6,
  optimization_level = 7,
  log_verbose = 12,
  generate_line_info = 13,
};

/// Flags of cuStreamCreate and cuEventCreate. A non-blocking stream does not wait for the legacy stream 0.
enum class CUstream_flags : unsigned { blocking = 0, non_blocking = 1 };
enum class CUevent_flags : unsigned { timing = 0, blocking_sync = 1, disable_timing = 2 };

enum class CUstreamCaptureStatus : int { none = 0, active = 1, invalidated = 2 };
enum class CUstreamCaptureMode : int { global = 0, calling_thread = 1, relaxed = 2 };

enum class CUlaunchAttributeID : int {
  ignore = 0,
  cooperative = 2,
  cluster_dimension = 4,
  programmatic_stream_serialization = 6,
};

union CUlaunchAttributeValue {
  char pad[64] = {};
  int cooperative;
  struct {
    unsigned x, y, z;
  } cluster_dimension;
  int programmatic_stream_serialization_allowed;
  CUevent alignment;  ///< never used; other members of the driver's union hold pointers
};

struct CUlaunchAttribute {
  CUlaunchAttributeID id = CUlaunchAttributeID::ignore;
  char pad[8 - sizeof(CUlaunchAttributeID)] = {};
  CUlaunchAttributeValue value;
};

struct CUlaunchConfig {
  unsigned grid_x = 1, grid_y = 1, grid_z = 1;     ///< in CTAs (the total, also if CTAs form clusters)
  unsigned block_x = 1, block_y = 1, block_z = 1;  ///< in threads
  unsigned shared_memory_bytes = 0;                ///< dynamic, per CTA
  CUstream stream = nullptr;
  CUlaunchAttribute* attributes = nullptr;
  unsigned attribute_count = 0;
};

/// A tensor map (TMA descriptor) as the hardware reads it: opaque, passed to kernels by value (`.param` with
/// alignment 64 or more) or from global memory.
struct alignas(128) CUtensorMap {
  uint64_t opaque[16];
};

enum class CUtensorMapDataType : int {
  u8 = 0,
  u16 = 1,
  u32 = 2,
  i32 = 3,
  u64 = 4,
  i64 = 5,
  f16 = 6,
  f32 = 7,
  f64 = 8,
  bf16 = 9
};
enum class CUtensorMapInterleave : int { none = 0 };
enum class CUtensorMapSwizzle : int { none = 0, bytes32 = 1, bytes64 = 2, bytes128 = 3 };
enum class CUtensorMapL2promotion : int { none = 0, bytes64 = 1, bytes128 = 2, bytes256 = 3 };
enum class CUtensorMapFloatOOBfill : int { zeros = 0, nan_request_zero_fma = 1 };

}  // namespace gumtile::cuda
