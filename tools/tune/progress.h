#pragma once

#include <chrono>
#include <string>

#include "tools/streams.h"
#include "tools/tune/search.h"

namespace gumtile::tools {

/// What a tuner prints on stderr while it works: candidates done, the best so far, how long the rest may
/// take. On a terminal that is one line that is updated; otherwise an occasional line, and one per finished
/// bucket. A stderr that cannot be written does not stop the tuner.
class TuneProgress {
 public:
  TuneProgress(size_t buckets, double budget_seconds);

  /// Begins a bucket.
  void begin(const std::string& bucket);
  void update(const SearchProgress& progress);
  /// A step that is not a bucket.
  void say(const std::string& what);
  /// `counts`: the bucket took time, from which the rest is estimated.
  void end(const std::string& result, bool counts);

 private:
  using Clock = std::chrono::steady_clock;

  void show(const std::string& what);
  double elapsed() const;
  std::string rest() const;  ///< an upper bound: a search may end before its budget does

  size_t buckets_;
  size_t done_ = 0;
  size_t counted_ = 0;
  double budget_seconds_;
  bool is_terminal_;
  StatusLine line_;
  std::string bucket_;
  Clock::time_point start_;
  Clock::time_point shown_;  ///< when the last line was written
};

}  // namespace gumtile::tools
