#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gumtile/engine.h"
#include "tools/tune/problem.h"
#include "tools/tune/process.h"

namespace gumtile::tools {

/// A candidate's answer.
struct CheckedAnswer {
  std::map<std::string, std::vector<double>> outputs;  ///< by name; NaN for what is not finite
  double launch_us = 0;                                ///< one launch by the host's clock
};

/// The measuring process of one problem. If a candidate kills it, hangs or makes the device unusable, only
/// that candidate is rejected: the process is restarted when it is needed next, and gets its kernels again.
class Measurer {
 public:
  struct Deadlines {
    std::chrono::milliseconds open{300000};  ///< making the weights
    std::chrono::milliseconds load{60000};
    std::chrono::milliseconds launch{20000};  ///< of one candidate's check or measurement, plus its time
  };

  /// Starts the process, which generates the weights in the background. Throws Error.
  Measurer(std::string device, const MeasuredHead& head, std::filesystem::path folder,
           const Deadlines& deadlines);

  const DeviceDescription& device() const { return device_; }
  const std::string& driver() const { return driver_; }
  /// Copies of the weights; a measurement launches on each. Known after the first load.
  int copies() const { return copies_; }

  /// Loads kernels by schedule from their files in the folder; returns those that cannot be loaded, and why.
  std::map<std::string, std::string> load(const std::map<std::string, std::string>& files);

  /// Launches twice. `launch_us`: how long a launch of another candidate took; 0: not known yet. Throws
  /// WorkerFault with the reason to reject the candidate. `fault`: for tests.
  CheckedAnswer check(const std::string& schedule, int64_t rows, double launch_us, const std::string& fault);

  struct Timing {
    int repeats = 1;
    int rounds = 1;
    double seconds = 0;    ///< no round begins later
    double launch_us = 0;  ///< how long a launch takes, roughly
    /// For tests: the schedule that is to misbehave, and how.
    std::string faulty;
    std::string fault;
  };
  using Sample = std::function<void(const std::string& schedule, const Engine::Timing& timing)>;
  /// Measures all in turn; returns those that failed, and why. The others repeat the rounds that they lost.
  std::map<std::string, std::string> time(std::vector<std::string> schedules, int64_t rows,
                                          const Timing& timing, const Sample& sample);

  struct ReadFloor {
    double bytes_per_second = 0;
    std::string method;
  };
  ReadFloor read_floor();

 private:
  void start();
  void ensure_open();
  void ensure_loaded(const std::vector<std::string>& schedules);
  std::map<std::string, std::string> load_some(const std::vector<std::string>& schedules);
  Json receive(std::chrono::milliseconds deadline);
  std::chrono::milliseconds patience(double launch_us, double launches) const;

  std::string id_;
  Json head_;
  std::filesystem::path folder_;
  Deadlines deadlines_;
  DeviceDescription device_;
  std::string driver_;
  std::map<std::string, std::string> files_;
  std::set<std::string> loaded_;  ///< in the present process
  bool is_open_ = false;
  int copies_ = 1;  ///< of the weights; a measurement launches on all of them
  int starts_ = 0;
  std::optional<WorkerProcess> process_;
};

}  // namespace gumtile::tools
