#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "gumtile/kernel_source.h"

namespace gumtile::tools {

inline double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

/// Passes on what another source makes and notes how long it took, in the order of the calls. Thread safe.
class TimedSource : public KernelSource {
 public:
  explicit TimedSource(std::unique_ptr<KernelSource> source) : source_(std::move(source)) {}

  KernelArtifact get(const KernelPlan& plan) override {
    const auto start = std::chrono::steady_clock::now();
    KernelArtifact artifact = source_->get(plan);
    const std::lock_guard lock(mutex_);
    compile_ms_.push_back(milliseconds_since(start));
    return artifact;
  }

  std::vector<double> compile_ms() const {
    const std::lock_guard lock(mutex_);
    return compile_ms_;
  }

 private:
  std::unique_ptr<KernelSource> source_;
  mutable std::mutex mutex_;
  std::vector<double> compile_ms_;
};

}  // namespace gumtile::tools
