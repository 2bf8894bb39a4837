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
  ModelHead origin;  ///< where the problems' sizes come from
  std::vector<TuneProblem> problems;
  std::vector<int64_t> buckets;  ///< upper ends
  double budget_seconds = 180;   ///< for all of them
  bool resume = false;
  int candidates = 32;  ///< a bucket, of one family
  bool all_families = false;
  int compile_workers = 1;
  bool read_floor = true;        ///< measure it if there is time
  std::filesystem::path folder;  ///< of the records
  std::chrono::milliseconds compile_deadline{60000};
  Measurer::Deadlines deadlines;
  std::vector<InjectedFault> faults;
};

struct BucketResult {
  TuningRecord record;         ///< with what earlier searches learnt
  std::filesystem::path path;  ///< where it is; empty: it could not be written
  bool chooses = true;         ///< false: a more thorough record of another compiler or driver chooses
  bool resumed = false;        ///< the record was there
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
  bool saved = false;                ///< some record was written
  std::vector<std::string> unsaved;  ///< why others could not be
};

/// Tunes every bucket of every problem and saves a record of each as soon as it is done, merged with what
/// earlier searches learnt. Throws Error if nothing can be tuned; what concerns one bucket is in its result.
TuneResult run_tuning(const TuneSettings& settings);

}  // namespace gumtile::tools
