#include "gumtile/assembler.h"

#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "gumtile/error.h"
#include "runtime/assembler/assembler_run.h"
#include "runtime/assembler/process.h"

namespace gumtile {
namespace {

/// Adds cubins to the kernels that another source compiles.
class AssemblingSource final : public KernelSource {
 public:
  AssemblingSource(std::shared_ptr<KernelSource> source, std::string ptxas, Log log)
      : source_(std::move(source)), ptxas_(std::move(ptxas)), log_(std::move(log)) {}

  KernelArtifact get(const KernelPlan& plan) override { return with_cubin(source_->get(plan)); }
  std::optional<KernelArtifact> find(const KernelPlan& plan) override {
    std::optional<KernelArtifact> artifact = source_->find(plan);
    if (artifact) artifact = with_cubin(std::move(*artifact));
    return artifact;
  }
  std::optional<KernelArtifact> find_ptx(const KernelPlan& plan) override { return source_->find_ptx(plan); }
  std::optional<std::vector<Schedule>> schedules(const Program& program, const Problem& problem,
                                                 const Target& target) const override {
    return source_->schedules(program, problem, target);
  }
  std::string identity(const Target& target) const override { return source_->identity(target); }

 private:
  KernelArtifact with_cubin(KernelArtifact artifact) {
    if (artifact.ready_made || artifact.format != KernelArtifact::Format::ptx) return artifact;
    const std::string key = artifact.key;
    {
      const std::lock_guard lock(mutex_);
      if (const auto known = cubins_.find(key); known != cubins_.end()) {
        artifact.cubin = known->second;
        return artifact;
      }
    }
    add_cubin(artifact, ptxas_, log_);
    const std::lock_guard lock(mutex_);
    cubins_[key] = artifact.cubin;
    return artifact;
  }

  std::shared_ptr<KernelSource> source_;
  std::string ptxas_;
  Log log_;
  std::mutex mutex_;
  std::map<std::string, std::string> cubins_;  ///< by KernelArtifact::key; empty: it could not be assembled
};

}  // namespace

std::optional<std::string> find_assembler() {
  const char* named = std::getenv("GUMTILE_PTXAS");
  if (named == nullptr) return assembler::find_cuda_tool("ptxas");
  if (*named == '\0') return std::nullopt;
  return named;
}

std::string assemble(const std::string& ptxas, const std::string& ptx, const Target& target,
                     const std::function<bool()>& stop) {
  return assembler::run_of(ptxas)->assemble(ptx, target, stop);
}

void add_cubin(KernelArtifact& artifact, const std::string& ptxas, const Log& log) {
  assembler::add_cubin(artifact, *assembler::run_of(ptxas), log);
}

std::shared_ptr<KernelSource> with_assembler(std::shared_ptr<KernelSource> source, Log log) {
  std::optional<std::string> ptxas = find_assembler();
  if (!ptxas || source == nullptr) return source;
  return std::make_shared<AssemblingSource>(std::move(source), std::move(*ptxas), std::move(log));
}

}  // namespace gumtile
