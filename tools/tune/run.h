#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "gumtile/tuning.h"
#include "tools/model_head.h"
#include "tools/tune/measurer.h"
#include "tools/tune/problem.h"
#include "tools/tune/search.h"

namespace gumtile::tools {

struct TuneSettings {
  std::string device = "auto";
  ModelHead origin;  ///< the source of the problems' sizes
  std::vector<TuneProblem> problems;
  std::vector<int64_t> buckets;  ///< upper ends
  double budget_seconds = 180;   ///< for all of them together
  bool resume = false;
  int candidates = 32;  ///< per bucket, of one family
  bool all_families = false;
  int compile_workers = 1;
  bool read_floor = true;        ///< measure it if there is time
  std::filesystem::path folder;  ///< of the records
  std::chrono::milliseconds compile_deadline{60000};
  Measurer::Deadlines deadlines;
  std::vector<InjectedFault> faults;
};

struct BucketResult {
  TuningRecord record;         ///< with the results of earlier searches
  std::filesystem::path path;  ///< its file; empty: it could not be written
  bool chooses = true;         ///< false: a more thorough record of another compiler or driver chooses
  bool resumed = false;        ///< the record existed
  std::string fault;           ///< why there is no record; else empty
};

struct ProblemResult {
  TuneProblem problem;
  DeviceDescription device;
  Measurer::ReadFloor floor;  ///< not measured if there was nothing to do or no time left
  std::vector<BucketResult> buckets;
};

struct TuneResult {
  std::vector<ProblemResult> problems;
  int signal = 0;                    ///< that interrupted the search; 0: none did
  bool saved = false;                ///< at least one record was written
  std::vector<std::string> unsaved;  ///< why others could not be written
};

/// Tunes every bucket of every problem and saves a record of each as soon as it is done, merged with the
/// results of earlier searches. Throws Error if nothing can be tuned; failures of one bucket are in its
/// result.
TuneResult run_tuning(const TuneSettings& settings);

}  // namespace gumtile::tools
