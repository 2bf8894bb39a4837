#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "gumtile/error.h"
#include "gumtile/pack.h"
#include "gumtile/tuning.h"
#include "runtime/pack/host_variants.h"
#include "runtime/pack/known_cards.h"

namespace gumtile {
namespace {

/// The requested targets, in the form in which devices request kernels.
std::vector<Target> expand(const std::vector<Target>& asked) {
  std::vector<Target> targets;
  const auto add = [&](const Target& target) {
    if (std::find(targets.begin(), targets.end(), target) == targets.end()) targets.push_back(target);
  };
  const std::vector<Target> variants = host_pack_targets();
  for (const Target& target : asked) {
    if (target.is_cuda()) {
      if (!target.suffix_a && target.gpu().ptx_version_suffix != 0)
        throw Error(ErrorCode::usage, fmt::format("a device of {0} takes kernels for {0}a; give {0}a as the "
                                                  "target",
                                                  target.str()));
      add(target);
    } else if (variants.empty()) {
      throw Error(ErrorCode::usage, "packs hold host kernels for x86-64 only, which this machine is not");
    } else if (target.cpu.empty()) {
      for (const Target& variant : variants) add(variant);
    } else {
      if (std::find(variants.begin(), variants.end(), target) == variants.end())
        throw Error(ErrorCode::usage,
                    fmt::format("no machine looks for '{}' in a pack; the targets of hosts are host (all of "
                                "them), host:x86-64-v2, host:x86-64-v3, host:x86-64-v4 and "
                                "host:x86-64-v4+avx512bf16",
                                target.str()));
      add(target);
    }
  }
  if (targets.empty()) throw Error(ErrorCode::usage, "a pack needs at least one target, e.g. host or sm_90a");
  return targets;
}

/// Rows without gaps, at an address aligned to 16 bytes.
int dense_alignment(const LmHeadOptions& head) {
  const int64_t row_bytes = head.hidden_size * static_cast<int64_t>(size_bytes(head.weights_dtype));
  return static_cast<int>(std::min<int64_t>(16, row_bytes & -row_bytes));
}

Problem problem_of(const LmHeadOptions& head) {
  Problem problem;
  problem.columns = head.vocab_size;
  problem.contracted = head.hidden_size;
  problem.first_column = head.first_token;
  problem.weights_alignment = dense_alignment(head);
  return problem;
}

/// The target's name in records and devices. Variants of a host exist only in packs: a CPU that was tuned
/// for, or that opens the pack, is "host", whichever variant it takes.
Target device_target(const Target& target) { return target.is_cuda() ? target : Target{}; }

/// The records from which devices of this target choose.
std::vector<TuningRecords::Tuned> tuned_on_any_card(const PackRequest& request, const Program& program,
                                                    const Problem& problem, const Target& target) {
  if (request.tuning == nullptr) return {};
  const Schedule built_in = default_schedule(program, problem, target);  // one family on all cards
  return request.tuning->on_any_card(workload_of(program), problem, device_target(target).str(),
                                     why_not_usable(program, problem, target, built_in));
}

/// The schedules that some device of this target chooses: tuned ones first, as devices prefer them, one
/// device after the other.
std::vector<Schedule> schedules_for(const PackRequest& request, const Program& program,
                                    const Problem& problem, const Target& target) {
  if (request.head.schedule) return {*request.head.schedule};
  std::vector<Schedule> tuned;
  std::vector<Schedule> built_in;
  const auto add = [](std::vector<Schedule>& list, const Schedule& schedule) {
    if (std::find(list.begin(), list.end(), schedule) == list.end()) list.push_back(schedule);
  };
  const bool is_host = !target.is_cuda();
  if (is_host) add(built_in, default_schedule(program, problem, target));  // the same on every CPU
  for (const DeviceDescription& device :
       is_host ? std::vector<DeviceDescription>() : pack::known_cards(target)) {
    const Schedule heuristic =
        default_schedule(program, problem, target, {device.workers, device.memory_bytes_per_second});
    add(built_in, heuristic);
    if (request.tuning == nullptr) continue;
    if (const auto found = request.tuning->find(tuning_key(device, program, problem),
                                                why_not_usable(program, problem, target, heuristic)))
      add(tuned, found->schedule);
  }
  // Then those that were tuned on cards that are not in the list, and on CPUs.
  for (const TuningRecords::Tuned& record : tuned_on_any_card(request, program, problem, target))
    add(tuned, *record.schedule);
  for (const Schedule& schedule : built_in) add(tuned, schedule);
  return tuned;
}

}  // namespace

std::vector<std::string> pack_tuning_records(const PackRequest& request) {
  std::set<std::string> texts;
  if (request.tuning == nullptr || request.head.schedule) return {};
  Problem problem = problem_of(request.head);
  for (const Target& target : expand(request.targets))
    for (Features features : request.feature_sets) {
      const Program program = lm_head_program(request.head, features);
      for (int64_t end : batch_buckets(request.max_rows)) {
        problem.max_rows = end;
        for (const TuningRecords::Tuned& record : tuned_on_any_card(request, program, problem, target))
          texts.emplace(record.text);
      }
    }
  return {texts.begin(), texts.end()};
}

std::vector<PackPlan> plan_pack(const PackRequest& request) {
  LmHeadOptions head = request.head;
  const auto require = [](bool holds, const std::string& message) {
    if (!holds) throw Error(ErrorCode::usage, message);
  };
  constexpr int64_t kMaxRows = int64_t{1} << 20;  // LmHead::prepare's limit
  require(head.vocab_size >= 1, fmt::format("vocab_size is {}; at least 1 is needed", head.vocab_size));
  require(head.hidden_size >= 1, fmt::format("hidden_size is {}; at least 1 is needed", head.hidden_size));
  require(head.first_token >= 0, fmt::format("first_token is {}; at least 0 is needed", head.first_token));
  require(request.max_rows >= 1 && request.max_rows <= kMaxRows,
          fmt::format("max_rows is {}; it must lie between 1 and {}", request.max_rows, kMaxRows));
  require(!request.feature_sets.empty(), "a pack needs at least one set of features");
  Problem problem = problem_of(head);
  std::vector<PackPlan> plans;
  const auto add = [&](const Target& target, Features features, DType token_dtype) {
    head.token_dtype = token_dtype;
    const Program program = lm_head_program(head, features);
    const size_t first = plans.size();
    for (int64_t end : batch_buckets(request.max_rows)) {
      problem.max_rows = end;
      int place = 0;
      for (const Schedule& schedule : schedules_for(request, program, problem, target)) {
        const auto known = std::find_if(plans.begin() + static_cast<ptrdiff_t>(first), plans.end(),
                                        [&](const PackPlan& p) { return p.plan.schedule == schedule; });
        if (known == plans.end())
          plans.push_back(
              {make_plan(program, problem, schedule, target), features, token_dtype, {{end, place}}});
        else
          known->buckets.push_back({end, place});
        ++place;
      }
    }
  };
  std::vector<DType> token_dtypes = request.token_dtypes;
  if (token_dtypes.empty()) token_dtypes = {head.token_dtype};
  for (const Target& target : expand(request.targets))
    for (Features features : request.feature_sets) {
      require(features <= kAllFeatures, fmt::format("{} is no set of features", features));
      for (DType token_dtype : token_dtypes) add(target, features, token_dtype);
    }
  return plans;
}

}  // namespace gumtile
