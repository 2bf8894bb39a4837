#include "gumtile/jit.h"
#include "runtime/capi/default_source.h"

namespace gumtile::capi {

const bool kHasCompiler = true;
std::shared_ptr<KernelSource> default_source(const Log& log) { return make_jit(log); }

}  // namespace gumtile::capi
