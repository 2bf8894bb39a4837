#include "tools/tune/why.h"

#include <fmt/format.h>

#include "tools/tune/candidates.h"
#include "tools/units.h"

namespace gumtile::tools {
namespace {

struct Why {
  int64_t rows = 0;
  int64_t first_token = 0;
  std::string workload;
  std::string schedule;
  std::string rule;
  std::vector<std::string> not_used;
  std::vector<std::string> of_other_devices;
};

Why explain(const TuningRecords& records, const DeviceDescription& device, const MeasuredHead& head,
            int64_t rows) {
  const Program program = program_of(head);
  const Problem problem = problem_of(head, rows);
  const Schedule heuristic = heuristic_of(program, problem, device);
  const TuningKey key = tuning_key(device, program, problem);
  TuningRecords::Explanation explanation =
      records.explain(key, why_not_usable(program, problem, device.target, heuristic));
  const TuningRecords::Choice choice =
      explanation.choice.value_or(TuningRecords::Choice{heuristic, "built-in choice"});
  return {rows,
          head.first_token,
          key.workload.str(),
          choice.schedule.str(),
          choice.rule,
          std::move(explanation.not_used),
          std::move(explanation.of_other_devices)};
}

}  // namespace

std::string explain_choices(const TuneSettings& settings, const std::string& format) {
  const DeviceDescription device = Engine::open(settings.device, nullptr)->device();
  const auto records = TuningRecords::load(settings.folder);
  std::vector<Why> whys;
  for (const TuneProblem& problem : settings.problems) {
    std::vector<int64_t> first_tokens{problem.head.first_token};
    first_tokens.insert(first_tokens.end(), problem.also_first_tokens.begin(),
                        problem.also_first_tokens.end());
    for (const int64_t first : first_tokens) {
      MeasuredHead head = problem.head;
      head.first_token = first;
      for (const int64_t rows : settings.buckets) whys.push_back(explain(*records, device, head, rows));
    }
  }
  if (format == "json") {
    Json choices = Json::array();
    for (const Why& why : whys)
      choices.push_back({{"batch", why.rows},
                         {"first_token", why.first_token},
                         {"workload", why.workload},
                         {"schedule", why.schedule},
                         {"rule", why.rule},
                         {"not_used", why.not_used},
                         {"of_other_devices", why.of_other_devices}});
    return json_text(
        {{"device", device_json(device)}, {"head", origin_json(settings.origin)}, {"choices", choices}});
  }
  Table table{{"batch", "from token", "schedule", "chosen by"}, {}};
  std::string notes;
  size_t of_other_devices = 0;
  for (const Why& why : whys) {
    table.rows.push_back({std::to_string(why.rows), std::to_string(why.first_token), why.schedule, why.rule});
    of_other_devices += why.of_other_devices.size();
    for (const std::string& note : why.not_used)
      notes += fmt::format("not used for batch {}: {}\n", why.rows, note);
  }
  if (of_other_devices > 0)
    notes += fmt::format("not used: {} of other devices; --format json lists them\n",
                         count_text(of_other_devices, "record"));
  const std::string text = format == "md" ? to_markdown(table) + "\n" : to_text(table);
  return text + notes + origin_text(settings.origin);
}

}  // namespace gumtile::tools
