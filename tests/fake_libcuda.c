/* A libcuda that fails as GUMTILE_FAKE_CUDA says, for tests of faults that need a driver but no GPU:
 *
 *   stub       cuInit says that this is the toolkit's stub
 *   none       there is no device
 *   refuses    cuInit finds a driver and a library of different versions
 *   old-ptx    an H100 under a driver of CUDA 12.0, which does not know the PTX version
 *   no-memory  an H100 whose memory is full
 *   fault      an H100 on which a kernel has faulted: waiting tells, and from then on every call of the context
 *
 * Nothing is computed: what is not named here fails with CUDA_ERROR_NOT_SUPPORTED. Tests load it with
 * GUMTILE_LIBCUDA. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
  SUCCESS = 0,
  OUT_OF_MEMORY = 2,
  STUB_LIBRARY = 34,
  NO_DEVICE = 100,
  UNSUPPORTED_PTX_VERSION = 222,
  ILLEGAL_ADDRESS = 700,
  NOT_SUPPORTED = 801,
  SYSTEM_DRIVER_MISMATCH = 803
};

static int is(const char* mode) {
  const char* wanted = getenv("GUMTILE_FAKE_CUDA");
  return wanted != NULL && strcmp(wanted, mode) == 0;
}

/* What a call of the context returns that would return `result` on a whole one. */
static int lost;
static int on_context(int result) { return lost ? ILLEGAL_ADDRESS : result; }

int cuInit(unsigned flags) {
  (void)flags;
  if (is("stub")) return STUB_LIBRARY;
  if (is("none")) return NO_DEVICE;
  return is("refuses") ? SYSTEM_DRIVER_MISMATCH : SUCCESS;
}
int cuDriverGetVersion(int* version) {
  *version = 12000;
  return SUCCESS;
}
int cuGetErrorName(int result, const char** name) {
  switch (result) {
    case OUT_OF_MEMORY:
      *name = "CUDA_ERROR_OUT_OF_MEMORY";
      break;
    case STUB_LIBRARY:
      *name = "CUDA_ERROR_STUB_LIBRARY";
      break;
    case NO_DEVICE:
      *name = "CUDA_ERROR_NO_DEVICE";
      break;
    case UNSUPPORTED_PTX_VERSION:
      *name = "CUDA_ERROR_UNSUPPORTED_PTX_VERSION";
      break;
    case ILLEGAL_ADDRESS:
      *name = "CUDA_ERROR_ILLEGAL_ADDRESS";
      break;
    case SYSTEM_DRIVER_MISMATCH:
      *name = "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH";
      break;
    default:
      *name = "CUDA_ERROR_NOT_SUPPORTED";
  }
  return SUCCESS;
}
int cuGetErrorString(int result, const char** text) {
  (void)result;
  *text = "the fake driver's words";
  return SUCCESS;
}

int cuDeviceGetCount(int* count) {
  *count = 1;
  return SUCCESS;
}
int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return SUCCESS;
}
int cuDeviceGetName(char* name, int bytes, int device) {
  (void)device;
  strncpy(name, "Fake H100", (size_t)bytes);
  return SUCCESS;
}
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  (void)device;
  *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 16 ? 132 : 1 << 17;
  return SUCCESS;
}
int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  (void)device;
  *bytes = (size_t)80 << 30;
  return SUCCESS;
}

static void* current;
int cuDevicePrimaryCtxRetain(void** context, int device) {
  (void)device;
  *context = &current;
  return SUCCESS;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
  (void)device;
  return SUCCESS;
}
int cuCtxPushCurrent_v2(void* context) {
  current = context;
  return SUCCESS;
}
int cuCtxPopCurrent_v2(void** context) {
  *context = current;
  current = NULL;
  return SUCCESS;
}
int cuCtxGetCurrent(void** context) {
  *context = current;
  return SUCCESS;
}
int cuMemAlloc_v2(size_t* address, size_t bytes) {
  if (lost) return ILLEGAL_ADDRESS;
  if (is("no-memory")) return OUT_OF_MEMORY;
  void* memory = NULL;
  const int failed = posix_memalign(&memory, 256, bytes);
  *address = (size_t)memory;
  return failed ? OUT_OF_MEMORY : SUCCESS;
}
int cuMemFree_v2(size_t address) {
  free((void*)address);
  return on_context(SUCCESS);
}
int cuPointerGetAttribute(void* value, int attribute, size_t address) {
  (void)address;
  if (lost) return ILLEGAL_ADDRESS;
  if (attribute != 2) return NOT_SUPPORTED;
  *(unsigned*)value = 2; /* device memory */
  return SUCCESS;
}
int cuModuleLoadDataEx(void** module, const void* image, unsigned count, void* options, void* values) {
  (void)module, (void)image, (void)count, (void)options, (void)values;
  return on_context(UNSUPPORTED_PTX_VERSION);
}
int cuStreamSynchronize(void* stream) {
  (void)stream;
  lost = is("fault");
  return on_context(NOT_SUPPORTED);
}

#define OF_CONTEXT(name) \
  int name(void) { return on_context(NOT_SUPPORTED); }
OF_CONTEXT(cuMemcpyHtoDAsync_v2)
OF_CONTEXT(cuMemcpyDtoHAsync_v2)

#define FAILS(name) \
  int name(void) { return NOT_SUPPORTED; }
FAILS(cuCtxGetDevice)
FAILS(cuCtxSynchronize)
FAILS(cuMemGetInfo_v2)
FAILS(cuMemAllocHost_v2)
FAILS(cuMemFreeHost)
FAILS(cuMemHostGetDevicePointer_v2)
FAILS(cuMemcpyDtoDAsync_v2)
FAILS(cuMemsetD8Async)
FAILS(cuMemsetD32Async)
FAILS(cuStreamCreate)
FAILS(cuStreamDestroy_v2)
FAILS(cuStreamQuery)
FAILS(cuStreamWaitEvent)
FAILS(cuStreamGetCtx)
FAILS(cuEventCreate)
FAILS(cuEventDestroy_v2)
FAILS(cuEventRecord)
FAILS(cuEventSynchronize)
FAILS(cuEventQuery)
FAILS(cuEventElapsedTime)
FAILS(cuStreamBeginCapture_v2)
FAILS(cuStreamEndCapture)
FAILS(cuStreamIsCapturing)
FAILS(cuGraphInstantiateWithFlags)
FAILS(cuGraphDestroy)
FAILS(cuGraphExecDestroy)
FAILS(cuGraphLaunch)
FAILS(cuModuleUnload)
FAILS(cuModuleGetFunction)
FAILS(cuModuleGetGlobal_v2)
FAILS(cuFuncGetAttribute)
FAILS(cuFuncSetAttribute)
FAILS(cuOccupancyMaxActiveBlocksPerMultiprocessor)
FAILS(cuLaunchKernel)
