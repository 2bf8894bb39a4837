#include "runtime/capi/default_source.h"

namespace gumtile::capi {

const bool kHasCompiler = false;
std::shared_ptr<KernelSource> default_source() { return nullptr; }

}  // namespace gumtile::capi
