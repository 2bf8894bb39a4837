#include "tools/tune/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "tools/head_settings.h"
#include "tools/tune/output.h"
#include "tools/tune/plot.h"
#include "tools/units.h"

namespace gumtile::tools {
namespace {

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --ink: #1f2328; --dim: #59636e; --line: #d8dee4; --ground: #ffffff;
  --built-in: #0072b2; --winner: #d55e00; --other: #8c959f; --rejected: #c9184a; --floor: #009e73;
  --product: #cc79a7 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9198a1; --line: #3d444d;
  --ground: #0d1117; --built-in: #56b4e9; --winner: #ff9e4a; --other: #7d8590; --rejected: #ff6b81;
  --floor: #3ddc97; --product: #e4a1c7 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 920px;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem } p, summary { color: var(--dim) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.87rem; width: 100% }
th, td { border-bottom: 1px solid var(--line); padding: 0.25rem 0.5rem; text-align: right }
th:last-child, td:last-child { text-align: left } td.text, th.text { text-align: left }
code, pre { font: 0.85em ui-monospace, monospace } pre { overflow-x: auto; white-space: pre-wrap }
svg { width: 100%; height: auto } svg text { font: 12px system-ui, sans-serif; fill: var(--ink) }
.grid { stroke: var(--line) } .frame { fill: none; stroke: var(--dim) } .even { stroke: var(--built-in);
  stroke-dasharray: 4 3 }
.built-in { fill: var(--ground); stroke: var(--built-in); stroke-width: 2 } .winner { fill: var(--winner) }
.other { fill: var(--other) } .rejected { fill: none; stroke: var(--rejected) }
.floor { stroke: var(--floor); stroke-width: 2; stroke-dasharray: 7 4 }
.product { stroke: var(--product); stroke-width: 2; stroke-dasharray: 2 3; fill: none }
.built-in-line { stroke: var(--built-in); fill: none; stroke-width: 1.5 }
.winner-line { stroke: var(--winner); fill: none; stroke-width: 1.5 }
)css";

std::string cells(std::string_view tag, const std::vector<std::string>& texts) {
  std::string row = "<tr>";
  for (const std::string& text : texts) row += fmt::format("<{0}>{1}</{0}>", tag, text);
  return row + "</tr>\n";
}

std::string code(const std::string& text) { return fmt::format("<code>{}</code>", escaped_html(text)); }

std::string winners_table(const ProblemResult& result) {
  std::string text = "<table>\n" + cells("th", {"batch", "built-in us", "tuned us", "tuned / built-in", "+-",
                                                "tuned / read floor", "schedule"});
  const double floor = read_floor_us(result);
  for (const BucketResult& bucket : result.buckets) {
    const TuningRecord& record = bucket.record;
    const std::string batch = std::to_string(record.key.problem.max_rows);
    if (!bucket.fault.empty()) {
      text += cells("td", {batch, "", "", "", "", "", escaped_html(bucket.fault)});
      continue;
    }
    const Gain gain = gain_of(record);
    std::string schedule = code(record.winner);
    if (record.winner == record.heuristic) schedule += " (built-in choice)";
    if (!record.note.empty()) schedule += fmt::format(" {}", escaped_html(record.note));
    text +=
        cells("td", {batch, fmt::format("{:.1f}", gain.built_in_us), fmt::format("{:.1f}", gain.winner_us),
                     fmt::format("{:.3f}", gain.of_built_in), fmt::format("{:.3f}", gain.spread),
                     floor == 0 ? "" : fmt::format("{:.3f}", gain.winner_us / floor), schedule});
  }
  return text + "</table>\n";
}

/// Measured candidates by time, then the others by reason.
std::string candidates_table(const TuningRecord& record) {
  std::vector<const TuningCandidate*> order;
  for (const TuningCandidate& candidate : record.candidates) order.push_back(&candidate);
  std::stable_sort(order.begin(), order.end(), [](const TuningCandidate* a, const TuningCandidate* b) {
    if ((a->median_us > 0) != (b->median_us > 0)) return a->median_us > 0;
    return a->median_us > 0 ? a->median_us < b->median_us : a->rejected < b->rejected;
  });
  std::string text =
      fmt::format("<details><summary>Batch {}: {}, {} measured</summary>\n<table>\n",
                  record.key.problem.max_rows, count_text(order.size(), "candidate"), count_measured(record));
  text += cells("th",
                {"median us", "p5", "p95", "/ built-in", "+-", "rounds", "schedule, and why it may not win"});
  for (const TuningCandidate* c : order) {
    std::string schedule = code(c->schedule);
    if (c->schedule == record.winner) schedule += " <b>winner</b>";
    if (c->schedule == record.heuristic) schedule += " built-in choice";
    if (!c->rejected.empty()) schedule += fmt::format(" rejected: {}", escaped_html(c->rejected));
    text += c->median_us > 0
                ? cells("td", {fmt::format("{:.2f}", c->median_us), fmt::format("{:.2f}", c->p5_us),
                               fmt::format("{:.2f}", c->p95_us), fmt::format("{:.3f}", c->of_built_in),
                               fmt::format("{:.3f}", c->spread), std::to_string(c->rounds), schedule})
                : cells("td", {"", "", "", "", "", "", schedule});
  }
  return text + "</table></details>\n";
}

std::string rejections(const ProblemResult& result) {
  std::map<std::string, size_t> reasons;
  for (const BucketResult& bucket : result.buckets)
    if (bucket.fault.empty())
      for (const TuningCandidate& candidate : bucket.record.candidates)
        if (!candidate.rejected.empty()) ++reasons[candidate.rejected];
  if (reasons.empty()) return "<p>No candidate was rejected.</p>\n";
  std::string text = "<p>Rejected:</p>\n<ul>\n";
  for (const auto& [reason, count] : reasons)
    text += fmt::format("<li>{} x {}</li>\n", count, escaped_html(reason));
  return text + "</ul>\n";
}

/// Commands that measure the built-in choice and the winner of each bucket. `gumtile bench` measures whole
/// vocabularies, so there are none for a range that begins elsewhere.
std::string bench_commands(const ProblemResult& result) {
  const MeasuredHead& head = result.problem.head;
  if (head.first_token != 0) return {};
  std::string text;
  for (const BucketResult& bucket : result.buckets) {
    if (!bucket.fault.empty()) continue;
    text += fmt::format(
        "gumtile bench --vocab-size {} --hidden-size {} --batches {} --device {} --dtype {} --hidden-dtype "
        "{} "
        "--noise {}{}{} --schedule {}\n",
        head.vocab_size, head.hidden_size, bucket.record.key.problem.max_rows, result.device.id,
        name(head.weights_dtype), name(head.hidden_dtype), name(head.noise),
        (head.features & feature_logprob) != 0 ? "" : " --no-logprob", setting_options(head.settings),
        bucket.record.winner);
  }
  return text;
}

std::string versions(const ProblemResult& result) {
  for (const BucketResult& bucket : result.buckets) {
    const TuningRecord& record = bucket.record;
    std::string text = fmt::format("{}, {} workers, target {}", result.device.name, result.device.workers,
                                   result.device.target.str());
    if (!record.driver.empty()) text += fmt::format(", driver for CUDA {}", record.driver);
    // A host has many features: the records have them.
    const std::string compiler = record.compiler.substr(0, record.compiler.find(" +"));
    return text + fmt::format("; {}; {}", compiler, record.date);
  }
  return result.device.name;
}

std::string section(const ProblemResult& result, double product_teraflops) {
  std::string text = fmt::format("<h2>{}</h2>\n<p>{}</p>\n", escaped_html(problem_title(result)),
                                 escaped_html(versions(result)));
  if (!result.problem.also_first_tokens.empty())
    text += fmt::format("<p>Stands also for {} of the same size that begin at other tokens.</p>\n",
                        count_text(result.problem.also_first_tokens.size(), "range"));
  text += winners_table(result);
  text += "<h2>The search</h2>\n" + search_plot(result) + rejections(result);
  text += "<h2>Roofline</h2>\n" + roofline_plot(result, product_teraflops);
  if (result.floor.bytes_per_second > 0)
    text += fmt::format("<p>Read floor: {}, {:.1f} GB/s in the same run, {:.1f} us for these weights.</p>\n",
                        escaped_html(result.floor.method), 1e-9 * result.floor.bytes_per_second,
                        read_floor_us(result));
  text += "<h2>All candidates</h2>\n";
  for (const BucketResult& bucket : result.buckets)
    if (bucket.fault.empty()) text += candidates_table(bucket.record);
  if (const std::string commands = bench_commands(result); !commands.empty())
    text += fmt::format("<h2>To measure the winners again</h2>\n<pre>{}</pre>\n", escaped_html(commands));
  return text;
}

}  // namespace

std::string tuning_report(const TuneResult& result, double product_teraflops, const std::string& command) {
  std::string text = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<title>gumtile tune</title>\n"
      "<meta name=\"viewport\" content=\"width=device-width\"/>\n<style>{}</style>\n</head>\n<body>\n"
      "<h1>gumtile tune</h1>\n<pre>{}</pre>\n",
      kStyle, escaped_html(command));
  if (result.signal != 0) text += "<p>Interrupted: buckets that were not finished are missing.</p>\n";
  for (const ProblemResult& problem : result.problems) text += section(problem, product_teraflops);
  return text + "</body>\n</html>\n";
}

}  // namespace gumtile::tools
