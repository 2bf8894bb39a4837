#pragma once

#include <dlfcn.h>

#include <stdexcept>
#include <string>

/// The few calls of the CUDA driver that a stream and a captured graph need, without a CUDA header: the
/// library is opened at run time. A program that has the CUDA toolkit uses that instead. Source: CUDA Driver
/// API manual.
class CudaDriver {
 public:
  using Stream = void*;
  using Graph = void*;

  /// Makes the primary context of a device current, the one that a gumtile engine uses by default. Throws
  /// std::runtime_error.
  explicit CudaDriver(int ordinal) {
    library_ = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) throw std::runtime_error(dlerror());
    call<int(unsigned)>("cuInit", 0U);
    int device = 0;
    call<int(int*, int)>("cuDeviceGet", &device, ordinal);
    void* context = nullptr;
    call<int(void**, int)>("cuDevicePrimaryCtxRetain", &context, device);
    call<int(void*)>("cuCtxSetCurrent", context);
  }

  Stream make_stream() {
    Stream stream = nullptr;
    call<int(Stream*, unsigned)>("cuStreamCreate", &stream, 1U);  // does not wait for the default stream
    return stream;
  }

  /// The work that `record` submits to `stream`, as a graph that can be launched repeatedly.
  template <typename Record>
  Graph capture(Stream stream, const Record& record) {
    call<int(Stream, int)>("cuStreamBeginCapture_v2", stream, 1);  // only calls of this thread are checked
    record();
    void* graph = nullptr;
    call<int(Stream, void**)>("cuStreamEndCapture", stream, &graph);
    Graph executable = nullptr;
    call<int(Graph*, void*, unsigned long long)>("cuGraphInstantiateWithFlags", &executable, graph, 0ULL);
    call<int(void*)>("cuGraphDestroy", graph);
    return executable;
  }

  void launch(Graph graph, Stream stream) { call<int(Graph, Stream)>("cuGraphLaunch", graph, stream); }
  void destroy(Graph graph) { call<int(Graph)>("cuGraphExecDestroy", graph); }

 private:
  template <typename Function, typename... Arguments>
  void call(const char* name, Arguments... arguments) {
    auto* const function = reinterpret_cast<Function*>(dlsym(library_, name));
    if (function == nullptr) throw std::runtime_error(std::string("libcuda.so.1 has no ") + name);
    const int result = function(arguments...);
    if (result != 0) throw std::runtime_error(std::string(name) + " failed with " + std::to_string(result));
  }

  void* library_ = nullptr;
};
