#include "tools/tune/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "tools/tune/output.h"

namespace gumtile::tools {

std::string escaped_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

namespace {

constexpr double kWidth = 860, kHeight = 360;
constexpr double kLeft = 70, kRight = 20, kTop = 34, kBottom = 48;  // around the plot
constexpr double kPlotRight = kWidth - kRight, kPlotBottom = kHeight - kBottom;

/// An SVG drawing with a frame, built from its parts.
class Drawing {
 public:
  Drawing(std::string_view label, std::string_view x_title, std::string_view y_title) {
    text_ =
        fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", kWidth, kHeight, label);
    text_ += fmt::format(
        "<rect class=\"frame\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n"
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n"
        "<text transform=\"translate(16,{}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
        kLeft, kTop, kPlotRight - kLeft, kPlotBottom - kTop, (kLeft + kPlotRight) / 2, kHeight - 8, x_title,
        (kTop + kPlotBottom) / 2, y_title);
  }

  void x_tick(double x, const std::string& label, bool line) {
    if (line) this->line("grid", x, kTop, x, kPlotBottom);
    text_ += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", x,
                         kPlotBottom + 18, label);
  }
  void y_tick(double y, const std::string& label) {
    line("grid", kLeft, y, kPlotRight, y);
    text_ +=
        fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", kLeft - 8, y + 4, label);
  }
  void line(std::string_view style, double x1, double y1, double x2, double y2) {
    text_ += fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n",
                         style, x1, y1, x2, y2);
  }
  void path(std::string_view style, const std::vector<std::pair<double, double>>& points) {
    if (points.size() < 2) return;
    text_ += fmt::format("<polyline class=\"{}\" points=\"", style);
    for (const auto& [x, y] : points) text_ += fmt::format("{:.1f},{:.1f} ", x, y);
    text_ += "\"/>\n";
  }
  void point(std::string_view style, double x, double y, double radius, const std::string& tip) {
    text_ +=
        fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"><title>{}</title></circle>\n",
                    style, x, y, radius, escaped_html(tip));
  }
  /// Adds an entry to the legend above the plot.
  void legend(std::string_view style, bool is_line, const std::string& label) {
    if (is_line)
      line(style, legend_x_, kTop - 16, legend_x_ + 20, kTop - 16);
    else
      text_ += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{}\" r=\"5\"/>\n", style, legend_x_ + 10,
                           kTop - 16);
    text_ += fmt::format("<text x=\"{:.1f}\" y=\"{}\">{}</text>\n", legend_x_ + 26, kTop - 12, label);
    constexpr double kCharacter = 6.6;
    legend_x_ += 44 + kCharacter * static_cast<double>(label.size());
  }
  std::string end() { return text_ + "</svg>\n"; }

 private:
  std::string text_;
  double legend_x_ = kLeft;
};

std::string tip_of(const TuningCandidate& candidate) {
  std::string tip = fmt::format("{}: {:.2f} us ({:.2f} to {:.2f})", candidate.schedule, candidate.median_us,
                                candidate.p5_us, candidate.p95_us);
  if (!candidate.rejected.empty()) tip += fmt::format("; rejected: {}", candidate.rejected);
  return tip;
}

/// The position of a value on a logarithmic axis.
double along(double value, double low, double high, double begin, double end) {
  if (high <= low) return (begin + end) / 2;
  return begin + (end - begin) * std::log(value / low) / std::log(high / low);
}

/// The buckets that have a record.
std::vector<const TuningRecord*> records_of(const ProblemResult& result) {
  std::vector<const TuningRecord*> records;
  for (const BucketResult& bucket : result.buckets)
    if (bucket.fault.empty()) records.push_back(&bucket.record);
  return records;
}

}  // namespace

std::string search_plot(const ProblemResult& result) {
  constexpr double kHighest = 1.6;  // slower ones are drawn at the upper edge
  const std::vector<const TuningRecord*> records = records_of(result);
  double low = 0.98;
  double high = 1.1;
  const auto for_each_ratio = [](const TuningRecord& record, const auto& body) {
    const double built_in = find_candidate(record, record.heuristic)->median_us;
    for (size_t i = 0; i < record.candidates.size(); ++i)
      if (const TuningCandidate& c = record.candidates[i]; c.median_us > 0)
        body(i, c, c.of_built_in > 0 ? c.of_built_in : c.median_us / built_in);
  };
  for (const TuningRecord* record : records)
    for_each_ratio(*record, [&](size_t, const TuningCandidate&, double ratio) {
      low = std::min(low, ratio - 0.02);
      high = std::max(high, std::min(ratio + 0.02, kHighest));
    });

  Drawing drawing("time of every candidate",
                  "batch bucket; in each, candidates from left to right as the cost model ranks them",
                  "time / built-in choice's");
  const auto y_of = [&](double ratio) {
    return kPlotBottom - (kPlotBottom - kTop) * (std::min(ratio, high) - low) / (high - low);
  };
  const double step = high - low > 0.3 ? 0.1 : high - low > 0.12 ? 0.05 : 0.02;
  for (double tick = std::ceil(low / step) * step; tick <= high; tick += step)
    drawing.y_tick(y_of(tick), fmt::format("{:.2f}", tick));
  drawing.line("even", kLeft, y_of(1), kPlotRight, y_of(1));
  const double column = (kPlotRight - kLeft) / std::max<double>(1, static_cast<double>(records.size()));
  for (size_t bucket = 0; bucket < records.size(); ++bucket) {
    const TuningRecord& record = *records[bucket];
    const double begin = kLeft + column * static_cast<double>(bucket);
    if (bucket != 0) drawing.line("grid", begin, kTop, begin, kPlotBottom);
    drawing.x_tick(begin + column / 2, std::to_string(record.key.problem.max_rows), false);
    const auto count = static_cast<double>(record.candidates.size());
    const auto draw = [&](bool named) {
      for_each_ratio(record, [&](size_t i, const TuningCandidate& candidate, double ratio) {
        const bool is_winner = candidate.schedule == record.winner;
        const bool is_built_in = candidate.schedule == record.heuristic;
        if ((is_winner || is_built_in) != named) return;
        const double x = begin + column * (0.1 + 0.8 * (static_cast<double>(i) + 0.5) / count);
        const double y = y_of(ratio);
        if (is_built_in) drawing.point("built-in", x, y, 5.5, tip_of(candidate));
        if (is_winner) drawing.point("winner", x, y, is_built_in ? 3 : 5, tip_of(candidate));
        if (!named)
          drawing.point(candidate.rejected.empty() ? "other" : "rejected", x, y, 3, tip_of(candidate));
      });
    };
    draw(false);
    draw(true);
  }
  drawing.legend("built-in", false, "built-in choice");
  drawing.legend("winner", false, "winner");
  drawing.legend("other", false, "other candidates (at the top: slower still)");
  drawing.legend("rejected", false, "rejected");
  return drawing.end();
}

std::string roofline_plot(const ProblemResult& result, double product_teraflops) {
  const std::vector<const TuningRecord*> records = records_of(result);
  if (records.empty()) return {};
  const MeasuredHead& head = result.problem.head;
  const double read_us = read_floor_us(result);
  const auto product_us = [&](double rows) {
    return 2e-6 * static_cast<double>(head.vocab_size) * static_cast<double>(head.hidden_size) * rows /
           product_teraflops;
  };
  std::vector<double> batches, built_in, tuned;
  for (const TuningRecord* record : records) {
    batches.push_back(static_cast<double>(record->key.problem.max_rows));
    built_in.push_back(find_candidate(*record, record->heuristic)->median_us);
    tuned.push_back(find_candidate(*record, record->winner)->median_us);
  }
  const auto [first, last] = std::minmax_element(batches.begin(), batches.end());
  double low = *std::min_element(tuned.begin(), tuned.end());
  if (read_us > 0) low = std::min(low, read_us);
  const double high = 1.15 * *std::max_element(built_in.begin(), built_in.end());
  low *= 0.85;
  constexpr double kInset = 24;
  const auto x_of = [&, from = *first, to = *last](double rows) {
    return along(rows, from, to, kLeft + kInset, kPlotRight - kInset);
  };
  const auto y_of = [&](double us) { return along(std::max(us, low), low, high, kPlotBottom, kTop); };

  Drawing drawing("roofline", "batch size (the bucket's upper end)", "us");
  for (double decade = std::pow(10.0, std::floor(std::log10(low))); decade < high; decade *= 10)
    for (const double tick : {1.0, 1.5, 2.0, 3.0, 5.0, 7.0})
      if (decade * tick >= low && decade * tick <= high)
        drawing.y_tick(y_of(decade * tick), fmt::format("{:g}", decade * tick));
  for (const double rows : batches) drawing.x_tick(x_of(rows), fmt::format("{:g}", rows), true);
  if (read_us > 0) {
    drawing.line("floor", kLeft, y_of(read_us), kPlotRight, y_of(read_us));
    drawing.legend("floor", true,
                   fmt::format("read floor, measured: {:.0f} GB/s", 1e-9 * result.floor.bytes_per_second));
  }
  if (product_teraflops > 0) {
    std::vector<std::pair<double, double>> points;
    for (double rows = *first; rows <= *last; rows *= 1.05)
      if (product_us(rows) >= low) points.emplace_back(x_of(rows), y_of(product_us(rows)));
    drawing.path("product", points);
    if (points.size() > 1)
      drawing.legend("product", true, fmt::format("product at {:g} TFLOP/s", product_teraflops));
  }
  std::vector<std::pair<double, double>> built_in_points, tuned_points;
  for (size_t i = 0; i < batches.size(); ++i) {
    built_in_points.emplace_back(x_of(batches[i]), y_of(built_in[i]));
    tuned_points.emplace_back(x_of(batches[i]), y_of(tuned[i]));
  }
  drawing.path("built-in-line", built_in_points);
  drawing.path("winner-line", tuned_points);
  for (size_t i = 0; i < batches.size(); ++i) {
    drawing.point("built-in", built_in_points[i].first, built_in_points[i].second, 5,
                  fmt::format("built-in choice, batch {:g}: {:.2f} us", batches[i], built_in[i]));
    drawing.point("winner", tuned_points[i].first, tuned_points[i].second, 3.5,
                  fmt::format("tuned, batch {:g}: {:.2f} us", batches[i], tuned[i]));
  }
  drawing.legend("built-in", false, "built-in choice");
  drawing.legend("winner", false, "tuned");
  return drawing.end();
}

}  // namespace gumtile::tools
