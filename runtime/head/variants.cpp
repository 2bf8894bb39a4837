#include "runtime/head/variants.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <mutex>
#include <utility>

#include "gumtile/error.h"
#include "gumtile/programs.h"
#include "gumtile/tuning.h"
#include "runtime/cpu/cpu_info.h"
#include "runtime/engine/parallel.h"
#include "runtime/head/batch_buckets.h"
#include "runtime/head/choices_log.h"

namespace gumtile::head {
namespace {

constexpr int kMaxThreads = 16;

int threads_for(const PrepareOptions& options, size_t tasks) {
  const int processors = cpu::usable_threads();
  const int wanted = options.threads > 0 ? options.threads : std::clamp(processors, 1, kMaxThreads);
  return static_cast<int>(std::min(tasks, static_cast<size_t>(wanted)));
}

/// What the source has instead of a schedule that it does not have: the fallback if it has that, else its
/// first one of the same family, else its first. Nothing: it takes any schedule, has this one, or has none at
/// all and reports that itself on request.
std::optional<Schedule> offered_instead(const KernelSource* source, const Program& program,
                                        const Problem& problem, const Target& target, const Schedule& wanted,
                                        const Schedule& fallback) {
  if (source == nullptr) return std::nullopt;
  const std::optional<std::vector<Schedule>> offered = source->schedules(program, problem, target);
  if (!offered || offered->empty()) return std::nullopt;
  const auto has = [&](const Schedule& s) {
    return std::find(offered->begin(), offered->end(), s) != offered->end();
  };
  if (has(wanted)) return std::nullopt;
  if (has(fallback)) return fallback;
  const auto same_family = std::find_if(offered->begin(), offered->end(), [&](const Schedule& s) {
    return s.family.index() == wanted.family.index();
  });
  return same_family == offered->end() ? offered->front() : *same_family;
}

}  // namespace

/// A kernel that a batch bucket needs.
struct Variants::Wanted {
  Variant* variant;
  Problem problem;
  Schedule schedule;
};

Variant& Variants::variant(Features features) {
  for (const auto& known : variants_)
    if (known->features == features) return *known;
  Program program = lm_head_program(options_, features);
  CallBindings bindings(program);
  return *variants_.emplace_back(
      std::make_unique<Variant>(Variant{features, std::move(program), bindings, {}, {}}));
}

/// An option precedes tuning records, and these precede the heuristic. If the source does not have all
/// schedules, one that it has is chosen (but an option is never replaced).
KernelChoice Variants::choose(const Variant& variant, const Problem& problem, Schedule& schedule) const {
  const DeviceDescription& device = engine_->device();
  KernelChoice choice;
  choice.features = variant.features;
  choice.max_rows = problem.max_rows;
  if (options_.schedule) {
    schedule = *options_.schedule;
    choice.rule = "option";
  } else {
    schedule = default_schedule(variant.program, problem, device.target,
                                {device.workers, device.memory_bytes_per_second});
    choice.rule = "built-in heuristic";
    const Schedule heuristic = schedule;
    if (const auto& records = engine_->options().tuning) {
      std::vector<std::string> refused;
      if (const auto found =
              records->find(tuning_key(device, variant.program, problem),
                            why_not_usable(variant.program, problem, device.target, heuristic), &refused)) {
        schedule = found->schedule;
        choice.rule = found->rule;
      }
      for (const std::string& why : refused)
        choice.note += fmt::format("{}{}", choice.note.empty() ? "" : "; ", why);
    }
    if (const auto instead = offered_instead(engine_->options().source.get(), variant.program, problem,
                                             device.target, schedule, heuristic)) {
      choice.note += fmt::format("{}the source of kernels does not have '{}' ({})",
                                 choice.note.empty() ? "" : "; ", schedule.str(), choice.rule);
      choice.rule = *instead == heuristic ? "built-in heuristic" : "what the source has";
      schedule = *instead;
    }
  }
  choice.schedule = schedule.str();
  return choice;
}

const Kernel* Variants::find(Features features, const Schedule& schedule) const {
  for (const auto& loaded : kernels_)
    if (loaded->features == features && loaded->schedule == schedule) return &loaded->kernel;
  return nullptr;
}

void Variants::load_missing(const std::vector<Wanted>& wanted, const PrepareOptions& options,
                            const void* weights, int64_t weights_row_stride) {
  std::vector<const Wanted*> missing;
  for (const Wanted& w : wanted) {
    const auto is_same = [&](const Wanted* other) {
      return other->variant == w.variant && other->schedule == w.schedule;
    };
    if (find(w.variant->features, w.schedule) == nullptr &&
        std::none_of(missing.begin(), missing.end(), is_same))
      missing.push_back(&w);
  }
  if (missing.empty()) return;

  std::mutex mutex;
  const auto load = [&](size_t i) {
    const Wanted& w = *missing[i];
    Kernel kernel =
        engine_->load(make_plan(w.variant->program, w.problem, w.schedule, engine_->device().target));
    kernel.bind_weights(weights, weights_row_stride);
    auto loaded =
        std::make_unique<LoadedSchedule>(LoadedSchedule{w.variant->features, w.schedule, std::move(kernel)});
    const std::lock_guard lock(mutex);
    kernels_.push_back(std::move(loaded));
  };
  const auto progress = [&](size_t done) {
    return !options.progress || options.progress(static_cast<int>(done), static_cast<int>(missing.size()));
  };
  if (!engine::run_in_parallel(missing.size(), threads_for(options, missing.size()), load, progress))
    throw Error(ErrorCode::cancelled, "preparing the head was cancelled");
}

void Variants::prepare(const PrepareOptions& options, int weights_alignment, const void* weights,
                       int64_t weights_row_stride) {
  Problem problem;
  problem.columns = options_.vocab_size;
  problem.first_column = options_.first_token;
  problem.contracted = options_.hidden_size;
  problem.weights_alignment = weights_alignment;

  // Feature sets that cannot be prepared are forgotten: each variant that is kept has all kernels.
  const size_t complete = variants_.size();
  try {
    prepare_all(options, problem, weights, weights_row_stride);
  } catch (...) {
    variants_.resize(complete);
    throw;
  }
}

void Variants::prepare_all(const PrepareOptions& options, Problem problem, const void* weights,
                           int64_t weights_row_stride) {
  for (Features features : options.feature_sets) variant(features);
  const int64_t rows = std::max(options.max_rows, prepared_rows_);
  std::vector<Wanted> wanted;
  std::vector<KernelChoice> choices;
  for (const auto& v : variants_) {
    for (int64_t end : batch_buckets(rows)) {
      problem.max_rows = end;
      Wanted w{v.get(), problem, {}};
      choices.push_back(choose(*v, problem, w.schedule));
      wanted.push_back(std::move(w));
      if (wanted.back().schedule.family.index() != wanted.front().schedule.family.index()) {
        throw Error(ErrorCode::internal,
                    fmt::format("the batch buckets got kernels of two families: '{}' and '{}'",
                                wanted.front().schedule.str(), wanted.back().schedule.str()));
      }
    }
  }
  load_missing(wanted, options, weights, weights_row_stride);

  struct Prepared {
    std::vector<const Kernel*> kernel_of_bucket;
    std::vector<KernelChoice> choices;
  };
  std::vector<Prepared> prepared(variants_.size());
  const size_t buckets = wanted.size() / variants_.size();  // `wanted` has the variants one after another
  for (size_t i = 0; i < wanted.size(); ++i) {
    Prepared& p = prepared[i / buckets];
    p.kernel_of_bucket.push_back(find(wanted[i].variant->features, wanted[i].schedule));
    p.choices.push_back(std::move(choices[i]));
  }

  for (size_t i = 0; i < variants_.size(); ++i)
    log_choices(engine_->options().log, prepared[i].choices, variants_[i]->program, problem,
                engine_->device());

  // From here on nothing fails.
  for (size_t i = 0; i < variants_.size(); ++i) {
    variants_[i]->kernel_of_bucket.swap(prepared[i].kernel_of_bucket);
    variants_[i]->choices.swap(prepared[i].choices);
  }
  prepared_rows_ = rows;
  by_size_.clear();
  for (const auto& v : variants_) by_size_.push_back(v.get());
  std::stable_sort(by_size_.begin(), by_size_.end(), [](const Variant* a, const Variant* b) {
    return std::popcount(a->features) < std::popcount(b->features);
  });
}

void Variants::bind_weights(const void* weights, int64_t weights_row_stride) {
  for (const auto& loaded : kernels_) loaded->kernel.bind_weights(weights, weights_row_stride);
}

}  // namespace gumtile::head

namespace gumtile {

SamplingOptions sampling_options(const LmHeadOptions& options, Features features) {
  return {options.noise,       options.hidden_dtype, options.weights_dtype, features,
          options.token_dtype, options.settings,     options.fragments};
}

Program lm_head_program(const LmHeadOptions& options, Features features) {
  return lm_head_sample(sampling_options(options, features));
}

}  // namespace gumtile
