#include "runtime/engine/timing.h"

#include <fmt/format.h>

#include <algorithm>

#include "gumtile/error.h"

namespace gumtile::engine {

void check_repeats(int repeats, int warmup) {
  if (repeats >= 1 && warmup >= 0) return;
  throw Error(ErrorCode::usage,
              fmt::format("a measurement of {} repeats after {} to warm up; at least 1 and 0 are needed",
                          repeats, warmup));
}

void require_ok(Status status) {
  if (status == Status::ok) return;
  const ErrorCode code = status == Status::context_lost    ? ErrorCode::context_lost
                         : status == Status::launch_failed ? ErrorCode::internal
                                                           : ErrorCode::usage;
  throw Error(code, fmt::format("the launch to be measured returned '{}'", name(status)));
}

Engine::Timing summarize(std::vector<double> times_us) {
  std::sort(times_us.begin(), times_us.end());
  auto percentile = [&](double fraction) {
    const double position = fraction * static_cast<double>(times_us.size() - 1);
    const size_t below = static_cast<size_t>(position);
    const size_t above = std::min(below + 1, times_us.size() - 1);
    return times_us[below] + (position - static_cast<double>(below)) * (times_us[above] - times_us[below]);
  };
  return {percentile(0.5), percentile(0.05), percentile(0.95)};
}

}  // namespace gumtile::engine
