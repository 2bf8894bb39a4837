#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gumtile/engine.h"
#include "gumtile/log.h"
#include "gumtile/plan.h"

namespace gumtile {

/// What a tuning record is for. Cards of one architecture differ, so that the device is part of it by its
/// model and not by its architecture.
struct TuningKey {
  std::string device_name;  ///< "NVIDIA H200", or the CPU's brand
  int workers = 0;          ///< multiprocessors, or CPU threads
  int memory_class = 0;     ///< peak memory rate in steps of 100 GB/s, rounded; 0: unknown
  std::string target;       ///< Target::str(), with the CPU's name for a host
  std::string program;      ///< digest(Program)
  Problem problem;          ///< max_rows: the upper end of the batch bucket

  bool operator==(const TuningKey&) const = default;
};
TuningKey tuning_key(const DeviceDescription& device, const Program& program, const Problem& problem);

/// One schedule that a tuner looked at.
struct TuningCandidate {
  std::string schedule;
  double median_us = 0;  ///< 0: not measured
  double p5_us = 0;
  double p95_us = 0;
  std::string rejected;  ///< why it was not measured or may not win; empty: it competes
};

/// All that a tuner learnt about one key.
struct TuningRecord {
  TuningKey key;
  std::string winner;
  std::vector<TuningCandidate> candidates;
  std::string heuristic;  ///< the built-in choice at the time; one of the candidates
  std::string gumtile_version;
  std::string compiler;  ///< KernelSource::identity
  std::string driver;    ///< "13.0", or empty
  std::string date;      ///< ISO 8601, UTC
};

/// Records by key. Immutable once loaded; thread safe.
class TuningRecords {
 public:
  /// A schedule, and where it comes from ("user record /…/x.json", "shipped record").
  struct Choice {
    Schedule schedule;
    std::string rule;
  };

  /// User records from `folder` (empty: `default_tuning_folder()`), then the records that gumtile ships.
  /// Files that cannot be read, or are not what they should be, are logged and left out.
  static std::shared_ptr<const TuningRecords> load(const std::filesystem::path& folder = {},
                                                   const Log& log = {});

  /// The user's record for exactly this key, else a shipped one. A user's record always goes first.
  std::optional<Choice> find(const TuningKey& key) const;

 private:
  struct Entry {
    TuningKey key;
    Choice choice;
  };
  std::vector<Entry> entries_;  ///< the user's first
};

/// $GUMTILE_TUNING_DIR, else $XDG_DATA_HOME/gumtile/tuning (absolute only), else
/// ~/.local/share/gumtile/tuning; empty where none of them names a folder.
std::filesystem::path default_tuning_folder();

}  // namespace gumtile
