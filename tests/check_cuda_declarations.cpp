// Compares our declarations of the CUDA driver with a real cuda.h, at compile time. Built only if there is
// one. Ours come first: cuda.h defines macros that would rename their members.
#include "runtime/cuda/driver.h"
// clang-format off
#include <cuda.h>
// clang-format on

#include <cstddef>
#include <type_traits>

#if CUDA_VERSION >= 12040  // older headers lack some of the functions

namespace gumtile::cuda {
namespace {

template <typename T>
concept Complete = requires {
  sizeof(T);
};

/// Whether values of both types are passed in the same way: pointers point to such types (opaque ones may
/// have any name), enums and integers have the same size, structs the same size.
template <typename Ours, typename Theirs>
constexpr bool alike() {
  if constexpr (std::is_pointer_v<Ours> || std::is_pointer_v<Theirs>) {
    if constexpr (!std::is_pointer_v<Ours> || !std::is_pointer_v<Theirs>) {
      return false;
    } else {
      using OurTarget = std::remove_pointer_t<Ours>;
      using TheirTarget = std::remove_pointer_t<Theirs>;
      return std::is_const_v<OurTarget> == std::is_const_v<TheirTarget> &&
             alike<std::remove_cv_t<OurTarget>, std::remove_cv_t<TheirTarget>>();
    }
  } else if constexpr (std::is_same_v<Ours, Theirs>) {
    return true;
  } else if constexpr (std::is_class_v<Ours> && std::is_class_v<Theirs>) {
    if constexpr (Complete<Ours> && Complete<Theirs>) {
      return sizeof(Ours) == sizeof(Theirs);
    } else {
      return !Complete<Ours> && !Complete<Theirs>;
    }
  } else if constexpr (std::is_enum_v<Ours> || std::is_enum_v<Theirs>) {
    return std::is_enum_v<Ours> && std::is_enum_v<Theirs> && sizeof(Ours) == sizeof(Theirs);
  } else if constexpr (std::is_integral_v<Ours> && std::is_integral_v<Theirs>) {
    return sizeof(Ours) == sizeof(Theirs) && std::is_signed_v<Ours> == std::is_signed_v<Theirs>;
  } else {
    return false;
  }
}

template <typename Ours, typename Theirs>
struct SameSignature : std::false_type {};
template <typename... Ours, typename... Theirs>
requires(sizeof...(Ours) == sizeof...(Theirs)) struct SameSignature<CUresult(Ours...), ::CUresult(Theirs...)>
    : std::bool_constant<(alike<Ours, Theirs>() && ...)> {
};

#define GUMTILE_CUDA_FUNCTION(member, symbol, parameters) \
  static_assert(SameSignature<CUresult parameters, decltype(::symbol)>::value, #symbol);
#include "runtime/cuda/driver_functions.inc"

static_assert(alike<CUdevice, ::CUdevice>());
static_assert(alike<CUdeviceptr, ::CUdeviceptr>());

// Enumerators: ours, theirs.
#define GUMTILE_SAME_VALUE(ours, theirs) \
  static_assert(static_cast<long long>(ours) == static_cast<long long>(theirs), #theirs)
GUMTILE_SAME_VALUE(CUresult::success, CUDA_SUCCESS);
GUMTILE_SAME_VALUE(CUresult::invalid_value, CUDA_ERROR_INVALID_VALUE);
GUMTILE_SAME_VALUE(CUresult::out_of_memory, CUDA_ERROR_OUT_OF_MEMORY);
GUMTILE_SAME_VALUE(CUresult::not_initialized, CUDA_ERROR_NOT_INITIALIZED);
GUMTILE_SAME_VALUE(CUresult::deinitialized, CUDA_ERROR_DEINITIALIZED);
GUMTILE_SAME_VALUE(CUresult::stub_library, CUDA_ERROR_STUB_LIBRARY);
GUMTILE_SAME_VALUE(CUresult::no_device, CUDA_ERROR_NO_DEVICE);
GUMTILE_SAME_VALUE(CUresult::invalid_device, CUDA_ERROR_INVALID_DEVICE);
GUMTILE_SAME_VALUE(CUresult::invalid_image, CUDA_ERROR_INVALID_IMAGE);
GUMTILE_SAME_VALUE(CUresult::invalid_context, CUDA_ERROR_INVALID_CONTEXT);
GUMTILE_SAME_VALUE(CUresult::no_binary_for_gpu, CUDA_ERROR_NO_BINARY_FOR_GPU);
GUMTILE_SAME_VALUE(CUresult::invalid_ptx, CUDA_ERROR_INVALID_PTX);
GUMTILE_SAME_VALUE(CUresult::ecc_uncorrectable, CUDA_ERROR_ECC_UNCORRECTABLE);
GUMTILE_SAME_VALUE(CUresult::nvlink_uncorrectable, CUDA_ERROR_NVLINK_UNCORRECTABLE);
GUMTILE_SAME_VALUE(CUresult::jit_compiler_not_found, CUDA_ERROR_JIT_COMPILER_NOT_FOUND);
GUMTILE_SAME_VALUE(CUresult::unsupported_ptx_version, CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
GUMTILE_SAME_VALUE(CUresult::invalid_source, CUDA_ERROR_INVALID_SOURCE);
GUMTILE_SAME_VALUE(CUresult::invalid_handle, CUDA_ERROR_INVALID_HANDLE);
GUMTILE_SAME_VALUE(CUresult::not_found, CUDA_ERROR_NOT_FOUND);
GUMTILE_SAME_VALUE(CUresult::not_ready, CUDA_ERROR_NOT_READY);
GUMTILE_SAME_VALUE(CUresult::illegal_address, CUDA_ERROR_ILLEGAL_ADDRESS);
GUMTILE_SAME_VALUE(CUresult::launch_out_of_resources, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
GUMTILE_SAME_VALUE(CUresult::launch_timeout, CUDA_ERROR_LAUNCH_TIMEOUT);
GUMTILE_SAME_VALUE(CUresult::context_is_destroyed, CUDA_ERROR_CONTEXT_IS_DESTROYED);
GUMTILE_SAME_VALUE(CUresult::assert_triggered, CUDA_ERROR_ASSERT);
GUMTILE_SAME_VALUE(CUresult::hardware_stack_error, CUDA_ERROR_HARDWARE_STACK_ERROR);
GUMTILE_SAME_VALUE(CUresult::illegal_instruction, CUDA_ERROR_ILLEGAL_INSTRUCTION);
GUMTILE_SAME_VALUE(CUresult::misaligned_address, CUDA_ERROR_MISALIGNED_ADDRESS);
GUMTILE_SAME_VALUE(CUresult::invalid_address_space, CUDA_ERROR_INVALID_ADDRESS_SPACE);
GUMTILE_SAME_VALUE(CUresult::invalid_pc, CUDA_ERROR_INVALID_PC);
GUMTILE_SAME_VALUE(CUresult::launch_failed, CUDA_ERROR_LAUNCH_FAILED);
GUMTILE_SAME_VALUE(CUresult::cooperative_launch_too_large, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
GUMTILE_SAME_VALUE(CUresult::not_permitted, CUDA_ERROR_NOT_PERMITTED);
GUMTILE_SAME_VALUE(CUresult::not_supported, CUDA_ERROR_NOT_SUPPORTED);
GUMTILE_SAME_VALUE(CUresult::system_driver_mismatch, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
GUMTILE_SAME_VALUE(CUresult::stream_capture_unsupported, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
GUMTILE_SAME_VALUE(CUresult::stream_capture_invalidated, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
GUMTILE_SAME_VALUE(CUresult::stream_capture_merge, CUDA_ERROR_STREAM_CAPTURE_MERGE);
GUMTILE_SAME_VALUE(CUresult::stream_capture_unmatched, CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
GUMTILE_SAME_VALUE(CUresult::stream_capture_unjoined, CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
GUMTILE_SAME_VALUE(CUresult::stream_capture_isolation, CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
GUMTILE_SAME_VALUE(CUresult::stream_capture_implicit, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
GUMTILE_SAME_VALUE(CUresult::captured_event, CUDA_ERROR_CAPTURED_EVENT);
GUMTILE_SAME_VALUE(CUresult::stream_capture_wrong_thread, CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
GUMTILE_SAME_VALUE(CUresult::invalid_cluster_size, CUDA_ERROR_INVALID_CLUSTER_SIZE);
GUMTILE_SAME_VALUE(CUresult::unknown, CUDA_ERROR_UNKNOWN);

GUMTILE_SAME_VALUE(CUdevice_attribute::max_threads_per_block, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
GUMTILE_SAME_VALUE(CUdevice_attribute::clock_rate_khz, CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
GUMTILE_SAME_VALUE(CUdevice_attribute::multiprocessor_count, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
GUMTILE_SAME_VALUE(CUdevice_attribute::memory_clock_rate_khz, CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE);
GUMTILE_SAME_VALUE(CUdevice_attribute::global_memory_bus_width_bits,
                   CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH);
GUMTILE_SAME_VALUE(CUdevice_attribute::l2_cache_size_bytes, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
GUMTILE_SAME_VALUE(CUdevice_attribute::compute_capability_major,
                   CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
GUMTILE_SAME_VALUE(CUdevice_attribute::compute_capability_minor,
                   CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
GUMTILE_SAME_VALUE(CUdevice_attribute::max_shared_memory_per_multiprocessor,
                   CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR);
GUMTILE_SAME_VALUE(CUdevice_attribute::max_registers_per_multiprocessor,
                   CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR);
GUMTILE_SAME_VALUE(CUdevice_attribute::max_shared_memory_per_block_optin,
                   CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
GUMTILE_SAME_VALUE(CUdevice_attribute::cluster_launch, CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH);

GUMTILE_SAME_VALUE(CUfunction_attribute::max_threads_per_block, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
GUMTILE_SAME_VALUE(CUfunction_attribute::shared_size_bytes, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
GUMTILE_SAME_VALUE(CUfunction_attribute::const_size_bytes, CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES);
GUMTILE_SAME_VALUE(CUfunction_attribute::local_size_bytes, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
GUMTILE_SAME_VALUE(CUfunction_attribute::registers, CU_FUNC_ATTRIBUTE_NUM_REGS);
GUMTILE_SAME_VALUE(CUfunction_attribute::ptx_version, CU_FUNC_ATTRIBUTE_PTX_VERSION);
GUMTILE_SAME_VALUE(CUfunction_attribute::binary_version, CU_FUNC_ATTRIBUTE_BINARY_VERSION);
GUMTILE_SAME_VALUE(CUfunction_attribute::max_dynamic_shared_size_bytes,
                   CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
GUMTILE_SAME_VALUE(CUfunction_attribute::preferred_shared_memory_carveout,
                   CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT);
GUMTILE_SAME_VALUE(CUfunction_attribute::non_portable_cluster_size_allowed,
                   CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED);

GUMTILE_SAME_VALUE(CUpointer_attribute::context, CU_POINTER_ATTRIBUTE_CONTEXT);
GUMTILE_SAME_VALUE(CUpointer_attribute::memory_type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE);
GUMTILE_SAME_VALUE(CUpointer_attribute::device_pointer, CU_POINTER_ATTRIBUTE_DEVICE_POINTER);
GUMTILE_SAME_VALUE(CUpointer_attribute::host_pointer, CU_POINTER_ATTRIBUTE_HOST_POINTER);
GUMTILE_SAME_VALUE(CUpointer_attribute::is_managed, CU_POINTER_ATTRIBUTE_IS_MANAGED);
GUMTILE_SAME_VALUE(CUpointer_attribute::device_ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL);
GUMTILE_SAME_VALUE(CUpointer_attribute::range_start_address, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR);
GUMTILE_SAME_VALUE(CUpointer_attribute::range_size, CU_POINTER_ATTRIBUTE_RANGE_SIZE);
GUMTILE_SAME_VALUE(CUmemorytype::host, CU_MEMORYTYPE_HOST);
GUMTILE_SAME_VALUE(CUmemorytype::device, CU_MEMORYTYPE_DEVICE);
GUMTILE_SAME_VALUE(CUmemorytype::array, CU_MEMORYTYPE_ARRAY);
GUMTILE_SAME_VALUE(CUmemorytype::unified, CU_MEMORYTYPE_UNIFIED);

GUMTILE_SAME_VALUE(CUjit_option::max_registers, CU_JIT_MAX_REGISTERS);
GUMTILE_SAME_VALUE(CUjit_option::wall_time_ms, CU_JIT_WALL_TIME);
GUMTILE_SAME_VALUE(CUjit_option::info_log_buffer, CU_JIT_INFO_LOG_BUFFER);
GUMTILE_SAME_VALUE(CUjit_option::info_log_buffer_size_bytes, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES);
GUMTILE_SAME_VALUE(CUjit_option::error_log_buffer, CU_JIT_ERROR_LOG_BUFFER);
GUMTILE_SAME_VALUE(CUjit_option::error_log_buffer_size_bytes, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
GUMTILE_SAME_VALUE(CUjit_option::optimization_level, CU_JIT_OPTIMIZATION_LEVEL);
GUMTILE_SAME_VALUE(CUjit_option::log_verbose, CU_JIT_LOG_VERBOSE);
GUMTILE_SAME_VALUE(CUjit_option::generate_line_info, CU_JIT_GENERATE_LINE_INFO);

GUMTILE_SAME_VALUE(CUstream_flags::blocking, CU_STREAM_DEFAULT);
GUMTILE_SAME_VALUE(CUstream_flags::non_blocking, CU_STREAM_NON_BLOCKING);
GUMTILE_SAME_VALUE(CUevent_flags::timing, CU_EVENT_DEFAULT);
GUMTILE_SAME_VALUE(CUevent_flags::blocking_sync, CU_EVENT_BLOCKING_SYNC);
GUMTILE_SAME_VALUE(CUevent_flags::disable_timing, CU_EVENT_DISABLE_TIMING);
GUMTILE_SAME_VALUE(CUstreamCaptureStatus::none, CU_STREAM_CAPTURE_STATUS_NONE);
GUMTILE_SAME_VALUE(CUstreamCaptureStatus::active, CU_STREAM_CAPTURE_STATUS_ACTIVE);
GUMTILE_SAME_VALUE(CUstreamCaptureStatus::invalidated, CU_STREAM_CAPTURE_STATUS_INVALIDATED);
GUMTILE_SAME_VALUE(CUstreamCaptureMode::global, CU_STREAM_CAPTURE_MODE_GLOBAL);
GUMTILE_SAME_VALUE(CUstreamCaptureMode::calling_thread, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
GUMTILE_SAME_VALUE(CUstreamCaptureMode::relaxed, CU_STREAM_CAPTURE_MODE_RELAXED);

GUMTILE_SAME_VALUE(CUlaunchAttributeID::ignore, CU_LAUNCH_ATTRIBUTE_IGNORE);
GUMTILE_SAME_VALUE(CUlaunchAttributeID::cooperative, CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
GUMTILE_SAME_VALUE(CUlaunchAttributeID::cluster_dimension, CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
GUMTILE_SAME_VALUE(CUlaunchAttributeID::programmatic_stream_serialization,
                   CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);

GUMTILE_SAME_VALUE(CUtensorMapDataType::u8, CU_TENSOR_MAP_DATA_TYPE_UINT8);
GUMTILE_SAME_VALUE(CUtensorMapDataType::u16, CU_TENSOR_MAP_DATA_TYPE_UINT16);
GUMTILE_SAME_VALUE(CUtensorMapDataType::u32, CU_TENSOR_MAP_DATA_TYPE_UINT32);
GUMTILE_SAME_VALUE(CUtensorMapDataType::i32, CU_TENSOR_MAP_DATA_TYPE_INT32);
GUMTILE_SAME_VALUE(CUtensorMapDataType::u64, CU_TENSOR_MAP_DATA_TYPE_UINT64);
GUMTILE_SAME_VALUE(CUtensorMapDataType::i64, CU_TENSOR_MAP_DATA_TYPE_INT64);
GUMTILE_SAME_VALUE(CUtensorMapDataType::f16, CU_TENSOR_MAP_DATA_TYPE_FLOAT16);
GUMTILE_SAME_VALUE(CUtensorMapDataType::f32, CU_TENSOR_MAP_DATA_TYPE_FLOAT32);
GUMTILE_SAME_VALUE(CUtensorMapDataType::f64, CU_TENSOR_MAP_DATA_TYPE_FLOAT64);
GUMTILE_SAME_VALUE(CUtensorMapDataType::bf16, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16);
GUMTILE_SAME_VALUE(CUtensorMapInterleave::none, CU_TENSOR_MAP_INTERLEAVE_NONE);
GUMTILE_SAME_VALUE(CUtensorMapSwizzle::none, CU_TENSOR_MAP_SWIZZLE_NONE);
GUMTILE_SAME_VALUE(CUtensorMapSwizzle::bytes32, CU_TENSOR_MAP_SWIZZLE_32B);
GUMTILE_SAME_VALUE(CUtensorMapSwizzle::bytes64, CU_TENSOR_MAP_SWIZZLE_64B);
GUMTILE_SAME_VALUE(CUtensorMapSwizzle::bytes128, CU_TENSOR_MAP_SWIZZLE_128B);
GUMTILE_SAME_VALUE(CUtensorMapL2promotion::none, CU_TENSOR_MAP_L2_PROMOTION_NONE);
GUMTILE_SAME_VALUE(CUtensorMapL2promotion::bytes64, CU_TENSOR_MAP_L2_PROMOTION_L2_64B);
GUMTILE_SAME_VALUE(CUtensorMapL2promotion::bytes128, CU_TENSOR_MAP_L2_PROMOTION_L2_128B);
GUMTILE_SAME_VALUE(CUtensorMapL2promotion::bytes256, CU_TENSOR_MAP_L2_PROMOTION_L2_256B);
GUMTILE_SAME_VALUE(CUtensorMapFloatOOBfill::zeros, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
GUMTILE_SAME_VALUE(CUtensorMapFloatOOBfill::nan_request_zero_fma,
                   CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA);

// Layouts.
#define GUMTILE_SAME_FIELD(type, ours, theirs)                                                        \
  static_assert(                                                                                      \
      offsetof(type, ours) == offsetof(::type, theirs) &&                                             \
          sizeof(static_cast<type*>(nullptr)->ours) == sizeof(static_cast<::type*>(nullptr)->theirs), \
      #type "::" #theirs)
static_assert(sizeof(CUlaunchConfig) == sizeof(::CUlaunchConfig));
GUMTILE_SAME_FIELD(CUlaunchConfig, grid_x, gridDimX);
GUMTILE_SAME_FIELD(CUlaunchConfig, grid_y, gridDimY);
GUMTILE_SAME_FIELD(CUlaunchConfig, grid_z, gridDimZ);
GUMTILE_SAME_FIELD(CUlaunchConfig, block_x, blockDimX);
GUMTILE_SAME_FIELD(CUlaunchConfig, block_y, blockDimY);
GUMTILE_SAME_FIELD(CUlaunchConfig, block_z, blockDimZ);
GUMTILE_SAME_FIELD(CUlaunchConfig, shared_memory_bytes, sharedMemBytes);
GUMTILE_SAME_FIELD(CUlaunchConfig, stream, hStream);
GUMTILE_SAME_FIELD(CUlaunchConfig, attributes, attrs);
GUMTILE_SAME_FIELD(CUlaunchConfig, attribute_count, numAttrs);
static_assert(sizeof(CUlaunchAttribute) == sizeof(::CUlaunchAttribute));
static_assert(alignof(CUlaunchAttribute) == alignof(::CUlaunchAttribute));
GUMTILE_SAME_FIELD(CUlaunchAttribute, id, id);
GUMTILE_SAME_FIELD(CUlaunchAttribute, value, value);
static_assert(sizeof(CUlaunchAttributeValue) == sizeof(::CUlaunchAttributeValue));
GUMTILE_SAME_FIELD(CUlaunchAttributeValue, cooperative, cooperative);
GUMTILE_SAME_FIELD(CUlaunchAttributeValue, cluster_dimension, clusterDim);
GUMTILE_SAME_FIELD(CUlaunchAttributeValue, programmatic_stream_serialization_allowed,
                   programmaticStreamSerializationAllowed);
static_assert(sizeof(CUtensorMap) == sizeof(::CUtensorMap));
static_assert(alignof(CUtensorMap) >= alignof(::CUtensorMap));  // 64 before CUDA 13, 128 since

}  // namespace
}  // namespace gumtile::cuda

#endif
