#include "tools/tune/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace gumtile::tools {

TuneProgress::TuneProgress(size_t buckets, double budget_seconds)
    : buckets_(buckets),
      budget_seconds_(budget_seconds),
      is_terminal_(isatty(STDERR_FILENO) != 0),
      start_(std::chrono::steady_clock::now()) {}

TuneProgress::~TuneProgress() { clear(); }

void TuneProgress::clear() const {
  if (is_terminal_) std::fputs("\r\033[K", stderr);
}

double TuneProgress::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void TuneProgress::begin(const std::string& what) {
  if (!is_terminal_) return;
  const double left = std::max(budget_seconds_ - elapsed(), 0.0);
  const auto rest = static_cast<double>(buckets_ - done_);
  const double eta = counted_ == 0 ? left : std::min(left, elapsed() / static_cast<double>(counted_) * rest);
  clear();
  fmt::print(stderr, "[{}/{}] {}, at most {:.0f} s to go", std::min(done_ + 1, buckets_), buckets_, what,
             eta);
  std::fflush(stderr);
}

void TuneProgress::end(const std::string& result, bool counts) {
  ++done_;
  if (counts) ++counted_;
  clear();
  if (!is_terminal_) fmt::print(stderr, "[{}/{}] {}\n", done_, buckets_, result);
}

}  // namespace gumtile::tools
