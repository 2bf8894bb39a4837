#include "tools/bench_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "head/settings.h"
#include "tools/head_settings.h"
#include "tools/units.h"

namespace gumtile::tools {
namespace {

/// Above this a difference of a tenth between two schedules says nothing.
constexpr double kNoisySpread = 0.1;

/// Columns of the table. Their widths are fixed, since rows are written as they come.
const std::vector<std::pair<std::string, size_t>> kColumns = {
    {"batch", 6},   {"median", 8},  {"spread", 8},     {"GB/s", 8},
    {"of read", 7}, {"TFLOP/s", 8}, {"chosen by", 14}, {"schedule", 0}};

std::vector<std::string> header() {
  std::vector<std::string> names;
  for (const auto& [name, width] : kColumns) names.push_back(name);
  return names;
}

/// "user record" of "user record /home/…/x.json"
std::string short_rule(const std::string& rule) {
  if (rule.find(", of the nearest class (") != std::string::npos) return "nearest class";
  for (const char* known : {"user record", "pack record", "shipped record", "built-in", "option"})
    if (rule.starts_with(known)) return known;
  return rule;
}

std::string spread_text(const BenchSetting& setting, const Measurement& m) {
  return setting.repeats < 2 ? "-" : fmt::format("±{:.1f} %", 100 * relative_spread(m.timing));
}

std::vector<std::string> cells_of(const BenchSetting& setting, const Measurement& m) {
  return {std::to_string(m.rows),
          duration_text(m.timing.median_us),
          spread_text(setting, m),
          fmt::format("{:.1f}", m.gigabytes_per_second),
          fmt::format("{:.1f} %", 100 * m.of_read),
          fmt::format("{:.3f}", m.teraflops_per_second),
          short_rule(m.rule),
          m.schedule};
}

Json ceiling_json(const ReadCeiling& read) {
  const double peak = read.peak_bytes_per_second;
  return {{"method", read.method},
          {"gigabytes_per_second", rounded(read.bytes_per_second * 1e-9, 3)},
          {"peak_gigabytes_per_second", peak == 0 ? Json(nullptr) : Json(rounded(peak * 1e-9, 1))}};
}

Json setting_json(const BenchSetting& s) {
  return {{"device", s.device.id},
          {"device_name", s.device.name},
          {"target", s.device.target.str()},
          {"weights_dtype", s.weights_dtype},
          {"hidden_dtype", s.hidden_dtype},
          {"noise", s.noise},
          {"settings", head::settings_text(s.settings)},
          {"logprob", s.logprob},
          {"repeats", s.repeats},
          {"head", s.head}};
}

Json measurement_json(const BenchSetting& setting, const Measurement& m) {
  return {{"vocab_size", m.shape.vocab_size},
          {"hidden_size", m.shape.hidden_size},
          {"batch", m.rows},
          {"schedule", m.schedule},
          {"chosen_by", m.rule},
          {"note", m.note},
          {"median_us", rounded(m.timing.median_us, 3)},
          {"p5_us", rounded(m.timing.p5_us, 3)},
          {"p95_us", rounded(m.timing.p95_us, 3)},
          {"spread", setting.repeats < 2 ? Json(nullptr) : Json(rounded(relative_spread(m.timing), 4))},
          {"noisy", is_noisy(m)},
          {"gigabytes_per_second", rounded(m.gigabytes_per_second, 3)},
          {"teraflops_per_second", rounded(m.teraflops_per_second, 6)},
          {"of_read_ceiling", rounded(m.of_read, 4)},
          {"launch_host_us", rounded(m.launch_us, 3)},
          {"ceiling", ceiling_json(m.shape.read)},
          {"command", m.command}};
}

/// The members of `measurement_json` that are single numbers or words become columns.
Table csv_table(const Json& measurement) {
  Table table{{}, {{}}};
  for (const auto& [name, value] : measurement.items()) {
    if (value.is_object()) continue;
    table.header.push_back(name);
    table.rows.front().push_back(value.is_null()     ? ""
                                 : value.is_string() ? value.get<std::string>()
                                                     : value.dump());
  }
  return table;
}

}  // namespace

double relative_spread(const Engine::Timing& timing) {
  return timing.median_us == 0 ? 0 : (timing.p95_us - timing.p5_us) / 2 / timing.median_us;
}

bool is_noisy(const Measurement& measurement) { return relative_spread(measurement.timing) > kNoisySpread; }

std::string measurement_line(const BenchSetting& setting, const Measurement& measurement) {
  Json json = setting_json(setting);
  json.update(measurement_json(setting, measurement));
  return json_text(json, -1);
}

BenchWriter::BenchWriter(BenchSetting setting, std::string format)
    : setting_(std::move(setting)), format_(std::move(format)) {}

void BenchWriter::write_row(const std::vector<std::string>& cells) const {
  std::string line = format_ == "md" ? "|" : "";
  for (size_t i = 0; i < cells.size(); ++i) {
    if (format_ == "md") {
      line += fmt::format(" {} |", cells[i]);
      continue;
    }
    const size_t width = kColumns[i].second;
    line += i == 0 ? "" : "  ";
    line.append(width - std::min(width, display_width(cells[i])), ' ');
    line += cells[i];
  }
  write_stdout(line + "\n");
}

void BenchWriter::begin(const BenchShape& shape) {
  if (format_ != "table" && format_ != "md") return;
  const std::string paragraph = format_ == "md" ? "\n\n" : "\n";
  std::string text = is_first_shape_ ? "" : "\n";
  if (is_first_shape_)
    text += fmt::format("{} ({}), weights {}, hidden states {}, noise {}{}, {}{}", setting_.device.name,
                        setting_.device.id, setting_.weights_dtype, setting_.hidden_dtype, setting_.noise,
                        with_settings(setting_.settings),
                        setting_.logprob ? "with log-probabilities" : "tokens only", paragraph) +
            (setting_.origin.empty() ? "" : setting_.origin + (format_ == "md" ? "\n" : ""));
  is_first_shape_ = false;
  const double peak = shape.read.peak_bytes_per_second;
  text += fmt::format("{} x {}; read ceiling: {} at {:.1f} GB/s{}{}", shape.vocab_size, shape.hidden_size,
                      shape.read.method, shape.read.bytes_per_second * 1e-9,
                      peak == 0 ? "" : fmt::format(" ({:.0f} on paper)", peak * 1e-9), paragraph);
  write_stdout(text);
  write_row(header());
  if (format_ != "md") return;
  write_row(std::vector<std::string>(kColumns.size(), "---:"));
}

void BenchWriter::add(const Measurement& measurement) {
  if (format_ == "json") {
    results_.push_back(measurement_json(setting_, measurement));
  } else if (format_ == "jsonl") {
    write_stdout(measurement_line(setting_, measurement));
  } else if (format_ == "csv") {
    const std::string text = to_csv(csv_table(measurement_json(setting_, measurement)));
    write_stdout(is_first_shape_ ? text : text.substr(text.find('\n') + 1));
    is_first_shape_ = false;
  } else {
    write_row(cells_of(setting_, measurement));
  }
}

void BenchWriter::end() {
  if (format_ != "json") return;
  Json json = setting_json(setting_);
  // Members that all results share are repeated in one place.
  for (const char* name : {"vocab_size", "hidden_size", "ceiling"})
    if (!results_.empty() && std::all_of(results_.begin(), results_.end(), [&](const Json& result) {
          return result.at(name) == results_.front().at(name);
        }))
      json[name] = results_.front().at(name);
  json["command"] = setting_.command;
  json["results"] = results_;
  write_stdout(json_text(json));
}

}  // namespace gumtile::tools
