#include "runtime/cuda/graph.h"

namespace gumtile::cuda {

GraphExec GraphExec::capture(const Driver& driver, CUstream stream,
                             const std::function<void(CUstream)>& record) {
  using Graph = OwnedHandle<CUgraph, &Driver::cuGraphDestroy>;
  check(driver, driver.cuStreamBeginCapture(stream, CUstreamCaptureMode::calling_thread),
        "beginning a stream capture");
  CUgraph captured = nullptr;
  try {
    record(stream);
  } catch (...) {
    driver.cuStreamEndCapture(stream, &captured);
    const Graph discarded(driver, captured);
    throw;
  }
  // An invalidated capture ends with an error and a null graph.
  const CUresult ended = driver.cuStreamEndCapture(stream, &captured);
  const Graph graph(driver, captured);
  check(driver, ended, "ending a stream capture");

  CUgraphExec executable = nullptr;
  check(driver, driver.cuGraphInstantiateWithFlags(&executable, graph.get(), 0),
        "instantiating a CUDA graph");
  return {driver, executable};
}

void GraphExec::launch(CUstream stream) {
  const Driver& driver = *executable_.driver();
  check(driver, driver.cuGraphLaunch(handle(), stream), "launching a CUDA graph");
}

}  // namespace gumtile::cuda
