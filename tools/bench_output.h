#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gumtile/engine.h"
#include "gumtile/head_settings.h"
#include "tools/bench_ceiling.h"
#include "tools/output.h"

namespace gumtile::tools {

/// What all measurements of one `gumtile bench` share.
struct BenchSetting {
  DeviceDescription device;
  std::string weights_dtype;
  std::string hidden_dtype;
  std::string noise;
  HeadSettings settings;
  bool logprob = true;
  int repeats = 0;
  std::string origin;   ///< a line that names the model's head; empty: there is none
  Json head;            ///< its file and tensor; null: there is none
  std::string command;  ///< repeats all of it
};

/// A head's matrix, and how fast the machine reads one of its size.
struct BenchShape {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  ReadCeiling read;
};

struct Measurement {
  BenchShape shape;
  int64_t rows = 0;
  std::string schedule;
  std::string rule;  ///< what chose the schedule (KernelChoice::rule)
  std::string note;
  Engine::Timing timing;
  double gigabytes_per_second = 0;  ///< bytes of the weights over the median
  double teraflops_per_second = 0;
  double of_read = 0;    ///< share of the read ceiling
  double launch_us = 0;  ///< host time of a launch; 0 on the CPU, where it includes the work
  std::string command;   ///< repeats this measurement
};

/// Half of the range from the 5th to the 95th percentile, as a share of the median.
double relative_spread(const Engine::Timing& timing);
/// Whether measurements vary too much to be compared with others.
bool is_noisy(const Measurement& measurement);

/// One line of JSON with everything that is known about a measurement.
std::string measurement_line(const BenchSetting& setting, const Measurement& measurement);

/// Writes measurements to stdout in one of kBenchFormats: each as soon as it is there, except "json", which
/// is one object.
class BenchWriter {
 public:
  BenchWriter(BenchSetting setting, std::string format);

  void begin(const BenchShape& shape);  ///< the next measurements are of this shape
  void add(const Measurement& measurement);
  void end();

 private:
  void write_row(const std::vector<std::string>& cells) const;

  BenchSetting setting_;
  std::string format_;
  bool is_first_shape_ = true;
  Json results_ = Json::array();
};

}  // namespace gumtile::tools
