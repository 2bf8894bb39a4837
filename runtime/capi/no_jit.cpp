#include "runtime/capi/default_source.h"

namespace gumtile::capi {

const bool kHasCompiler = false;
std::shared_ptr<KernelSource> default_source(const Log& /*log*/) { return nullptr; }

}  // namespace gumtile::capi
