#include <algorithm>
#include <utility>

#include "gumtile/error.h"
#include "gumtile/pack.h"

namespace gumtile {
namespace {

class Chain : public KernelSource {
 public:
  explicit Chain(std::vector<std::shared_ptr<KernelSource>> sources) : sources_(std::move(sources)) {}

  KernelArtifact get(const KernelPlan& plan) override {
    if (std::optional<KernelArtifact> artifact = find(plan)) return std::move(*artifact);
    // Each says why not.
    std::vector<std::string> others;
    for (size_t i = 0; i < sources_.size(); ++i) {
      try {
        return sources_[i]->get(plan);
      } catch (const Error& error) {
        if (i + 1 < sources_.size()) {
          others.emplace_back(error.what());
          continue;
        }
        std::vector<std::string> notes = error.notes();
        notes.insert(notes.end(), others.begin(), others.end());
        throw Error(error.code(), error.what(), std::move(notes));
      }
    }
    throw Error(ErrorCode::usage, "there is no source of kernels");
  }

  std::optional<KernelArtifact> find(const KernelPlan& plan) override {
    for (const auto& source : sources_)
      if (std::optional<KernelArtifact> artifact = source->find(plan)) return artifact;
    return std::nullopt;
  }

  std::optional<KernelArtifact> find_ptx(const KernelPlan& plan) override {
    for (const auto& source : sources_)
      if (std::optional<KernelArtifact> artifact = source->find_ptx(plan)) return artifact;
    return std::nullopt;
  }

  /// Any schedule where one of the sources takes any.
  std::optional<std::vector<Schedule>> schedules(const Program& program, const Problem& problem,
                                                 const Target& target) const override {
    std::vector<Schedule> all;
    for (const auto& source : sources_) {
      const std::optional<std::vector<Schedule>> offered = source->schedules(program, problem, target);
      if (!offered) return std::nullopt;
      for (const Schedule& schedule : *offered)
        if (std::find(all.begin(), all.end(), schedule) == all.end()) all.push_back(schedule);
    }
    return all;
  }

  std::string identity(const Target& target) const override {
    std::string all;
    for (const auto& source : sources_) {
      const std::string one = source->identity(target);
      if (one.empty()) return {};
      all += (all.empty() ? "" : "; ") + one;
    }
    return all;
  }

 private:
  std::vector<std::shared_ptr<KernelSource>> sources_;
};

}  // namespace

std::shared_ptr<KernelSource> make_chain(std::vector<std::shared_ptr<KernelSource>> sources) {
  std::erase(sources, nullptr);
  return std::make_shared<Chain>(std::move(sources));
}

}  // namespace gumtile
