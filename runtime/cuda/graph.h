#pragma once

#include <functional>

#include "runtime/cuda/owned_handle.h"

namespace gumtile::cuda {

/// An executable CUDA graph.
class GraphExec {
 public:
  /// Runs `record(stream)` while `stream` captures, and makes a graph of the work that it submitted. Calls of
  /// this thread that may not happen during a capture (allocation, synchronisation) fail; other threads are
  /// not affected. `stream` must not be the legacy stream and is not capturing afterwards, whether this
  /// succeeds or throws. Throws `Error`, or what `record` throws. "Context must be current."
  static GraphExec capture(const Driver& driver, CUstream stream,
                           const std::function<void(CUstream)>& record);

  CUgraphExec handle() const { return executable_.get(); }

  /// Submits the graph to `stream`. Throws `Error`. Launches of one graph never overlap: the driver orders
  /// them. Not thread safe. "Context must be current."
  void launch(CUstream stream);

 private:
  GraphExec(const Driver& driver, CUgraphExec executable) : executable_(driver, executable) {}

  OwnedHandle<CUgraphExec, &Driver::cuGraphExecDestroy> executable_;
};

}  // namespace gumtile::cuda
