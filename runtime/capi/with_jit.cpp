#include "gumtile/jit.h"
#include "runtime/capi/default_source.h"

namespace gumtile::capi {

const bool kHasCompiler = true;
std::shared_ptr<KernelSource> default_source() { return make_jit(); }

}  // namespace gumtile::capi
