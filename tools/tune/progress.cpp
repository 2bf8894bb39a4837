#include "tools/tune/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace gumtile::tools {
namespace {

/// How often the line is updated on a terminal, and how often one is added elsewhere.
constexpr std::chrono::milliseconds kMove{100};
constexpr std::chrono::milliseconds kAdd{5000};

size_t terminal_width() {
  constexpr size_t kUsual = 80;
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsual;
}

}  // namespace

TuneProgress::TuneProgress(size_t buckets, double budget_seconds)
    : buckets_(buckets),
      budget_seconds_(budget_seconds),
      is_terminal_(is_stderr_terminal()),
      start_(Clock::now()),
      shown_(start_) {}

double TuneProgress::elapsed() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

std::string TuneProgress::rest() const {
  const double left = std::max(budget_seconds_ - elapsed(), 0.0);
  const auto buckets = static_cast<double>(buckets_ - done_);
  const double estimate =
      counted_ == 0 ? left : std::min(left, elapsed() / static_cast<double>(counted_) * buckets);
  constexpr double kManySeconds = 100;
  return estimate < kManySeconds ? fmt::format("{:.0f} s left", estimate)
                                 : fmt::format("{:.0f} min left", estimate / 60);
}

void TuneProgress::show(const std::string& what) {
  shown_ = Clock::now();
  std::string line = fmt::format("[{}/{}] {}", std::min(done_ + 1, buckets_), buckets_, what);
  if (!is_terminal_) return write_stderr(line + "\n");
  line.resize(std::min(line.size(), terminal_width() - 1));  // a wrapped line could not be overwritten
  line_.show(line);
}

void TuneProgress::say(const std::string& what) {
  if (is_terminal_) show(fmt::format("{}, {}", what, rest()));
}

void TuneProgress::begin(const std::string& bucket) {
  bucket_ = bucket;
  say(bucket);
}

void TuneProgress::update(const SearchProgress& progress) {
  if (Clock::now() - shown_ < (is_terminal_ ? kMove : kAdd)) return;
  std::string best;
  if (!progress.best.empty())
    best = fmt::format(", best {:.3f} of built-in ({})", progress.of_built_in, progress.best);
  show(fmt::format("{}: {} {}/{}, {}{}", bucket_, progress.stage, progress.done, progress.total, rest(),
                   best));
}

void TuneProgress::end(const std::string& result, bool counts) {
  ++done_;
  if (counts) ++counted_;
  line_.clear();
  if (is_terminal_) return;
  shown_ = Clock::now();
  write_stderr(fmt::format("[{}/{}] {}: {}\n", done_, buckets_, bucket_, result));
}

}  // namespace gumtile::tools
