#pragma once

#include <chrono>
#include <string>

namespace gumtile::tools {

/// What a tuner says on stderr while it works: on a terminal one line that is written anew, with how long the
/// rest may take; else a line for each bucket that is done.
class TuneProgress {
 public:
  TuneProgress(size_t buckets, double budget_seconds);
  ~TuneProgress();
  TuneProgress(const TuneProgress&) = delete;
  TuneProgress& operator=(const TuneProgress&) = delete;

  void begin(const std::string& what);
  /// `counts`: a bucket that took time, from which the rest is estimated.
  void end(const std::string& result, bool counts);

 private:
  void clear() const;
  double elapsed() const;

  size_t buckets_;
  size_t done_ = 0;
  size_t counted_ = 0;
  double budget_seconds_;
  bool is_terminal_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace gumtile::tools
