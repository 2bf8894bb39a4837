#include "gumtile/module_cache.h"
namespace gumtile {
struct ModuleCache::Impl {
  std::filesystem::path folder;
};
ModuleCache::ModuleCache(ModuleCacheOptions) : impl_(std::make_unique<Impl>()) {}
ModuleCache::~ModuleCache() = default;
std::optional<KernelArtifact> ModuleCache::get(std::string_view) { return std::nullopt; }
void ModuleCache::put(std::string_view, const KernelArtifact&) {}
}  // namespace gumtile
