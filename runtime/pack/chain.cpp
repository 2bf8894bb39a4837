#include <algorithm>
#include <utility>

#include "gumtile/error.h"
#include "gumtile/pack.h"

namespace gumtile {
namespace {

/// The errors of sources that were passed over.
class Failures {
 public:
  /// What `ask` returns; nothing if it throws an Error.
  template <typename Ask>
  std::optional<KernelArtifact> collect(const Ask& ask) {
    try {
      return ask();
    } catch (const Error& error) {
      errors_.push_back(error);
      return std::nullopt;
    }
  }

  /// Throws the first error with the others as notes; does nothing if there is none.
  void rethrow() const {
    if (errors_.empty()) return;
    std::vector<std::string> notes = errors_.front().notes();
    for (size_t i = 1; i < errors_.size(); ++i) notes.emplace_back(errors_[i].what());
    throw Error(errors_.front().code(), errors_.front().what(), std::move(notes));
  }

 private:
  std::vector<Error> errors_;
};

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

  /// If a source has the kernel and cannot give it, e.g. from a damaged file, the next ones are still asked.
  std::optional<KernelArtifact> find(const KernelPlan& plan) override {
    Failures failures;
    for (const auto& source : sources_)
      if (auto artifact = failures.collect([&] { return source->find(plan); })) return artifact;
    failures.rethrow();
    return std::nullopt;
  }

  /// If no source has kept the PTX, that of a source whose kernels are PTX: a compiler after a pack of
  /// cubins.
  std::optional<KernelArtifact> find_ptx(const KernelPlan& plan) override {
    Failures failures;
    for (const auto& source : sources_)
      if (auto artifact = failures.collect([&] { return source->find_ptx(plan); })) return artifact;
    for (const auto& source : sources_) {
      auto artifact = failures.collect([&] { return source->find(plan); });
      if (artifact && artifact->format == KernelArtifact::Format::ptx) return artifact;
    }
    failures.rethrow();
    return std::nullopt;
  }

  /// Any schedule if one of the sources takes any.
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
