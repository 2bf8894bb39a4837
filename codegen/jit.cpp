#include "gumtile/jit.h"

#include <map>
#include <mutex>
#include <utility>

#include "gumtile/compiler.h"

namespace gumtile {
namespace {

/// Compiles on demand, and keeps the artifacts of plans it has compiled.
class Jit : public KernelSource {
 public:
  explicit Jit(Log log) : log_(std::move(log)) {}

  KernelArtifact get(const KernelPlan& plan) override {
    const std::string key = key_text(plan);
    {
      const std::lock_guard lock(mutex_);
      if (auto it = known_.find(key); it != known_.end()) return it->second;
    }
    KernelArtifact artifact = compile(plan, log_);
    const std::lock_guard lock(mutex_);
    return known_.emplace(key, std::move(artifact)).first->second;
  }

  std::string identity(const Target& target) const override { return compiler_identity(target); }

 private:
  Log log_;
  std::mutex mutex_;
  std::map<std::string, KernelArtifact> known_;
};

}  // namespace

std::unique_ptr<KernelSource> make_jit(Log log) { return std::make_unique<Jit>(std::move(log)); }

}  // namespace gumtile
