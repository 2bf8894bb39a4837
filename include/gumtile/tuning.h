#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/engine.h"
#include "gumtile/log.h"
#include "gumtile/plan.h"
#include "gumtile/workload.h"

namespace gumtile {

/// What a tuning record is for. Cards of one architecture differ, so the key has the device's model and not
/// its architecture.
struct TuningKey {
  std::string device_name;  ///< "NVIDIA H200", or the CPU's brand
  int workers = 0;          ///< multiprocessors, or CPU threads
  int memory_class = 0;     ///< peak memory rate in steps of 100 GB/s, rounded; 0: unknown
  std::string target;       ///< Target::str()
  Workload workload;        ///< the class of the Program
  Problem problem;          ///< max_rows: the upper end of the batch bucket

  bool operator==(const TuningKey&) const = default;
};
TuningKey tuning_key(const DeviceDescription& device, const Program& program, const Problem& problem);

/// To replace another schedule, a schedule has to be faster by more than this fraction: what medians of one
/// kernel differ by from run to run, on an idle H100 and H200.
inline constexpr double kTuningTie = 0.01;

/// The beginning of the reason for a candidate that a search had no time for.
inline constexpr std::string_view kNotMeasured = "not measured";

/// One schedule that a tuner considered.
struct TuningCandidate {
  std::string schedule;
  double median_us = 0;  ///< 0: not measured
  double p5_us = 0;
  double p95_us = 0;
  std::string rejected;  ///< why it was not measured or may not win; empty: it competes
  int rounds = 0;        ///< of the times; 0: not known, as in records of gumtile 0.1
  /// Its time divided by the built-in choice's in the same round, as the median over the rounds, and how much
  /// that ratio varied over them (a robust standard deviation). 0: not known.
  double of_built_in = 0;
  double spread = 0;
  std::string run = {};  ///< the date of the search that measured it; empty: the record's

  bool operator==(const TuningCandidate&) const = default;
};

/// Whether a search measured a candidate, or rejected it for what it did.
bool is_decided(const TuningCandidate& candidate);

/// Everything that tuners measured for one key.
struct TuningRecord {
  TuningKey key;
  /// Every candidate was measured, or rejected for what it did. False: the search was interrupted or its
  /// budget was spent; a resumed search continues it.
  bool complete = true;
  /// One of the candidates: the record's choice. Empty in an incomplete record that chooses nothing yet.
  std::string winner;
  std::vector<TuningCandidate> candidates;
  std::string heuristic;  ///< the built-in choice at the time; one of the candidates
  /// The first column of the measured range. Ranges of a vocabulary that differ only in their first column
  /// may share one measurement.
  int64_t measured_first_column = 0;
  /// Other first columns of equally long ranges that the record is also for.
  std::vector<int64_t> also_first_columns;
  std::string gumtile_version;
  std::string compiler;  ///< KernelSource::identity
  std::string driver;    ///< "13.0", or empty
  std::string date;      ///< ISO 8601, UTC: of the last measurement
  std::string note;      ///< the tuner's remark on the choice, e.g. "too noisy: built-in kept"; or empty

  bool operator==(const TuningRecord&) const = default;
};

/// Whether two records' times may be compared: they have one key, and were measured in one place with one
/// built-in choice by one version of gumtile, its compiler and the driver.
bool are_comparable(const TuningRecord& a, const TuningRecord& b);

/// Merges two comparable records. If both have measured a schedule, the times of more rounds are kept, or the
/// newer ones if they have at least half as many rounds. The choice of `known` is replaced by another one
/// only if `found` has measured that as long and found it faster, and by the built-in one only if `found` has
/// measured the choice again: a shorter search loses nothing.
TuningRecord merge_tuning_records(const TuningRecord& known, const TuningRecord& found);

/// The JSON text of a record ("format": "gumtile tuning 2"), ending with a line break.
std::string tuning_record_text(const TuningRecord& record);
/// The record in `text`. Strict: throws Error(bad_data) naming `source` if a member is missing, unknown or
/// invalid, a schedule cannot be parsed, or the winner may not win. Records of gumtile 0.1 ("gumtile tuning
/// 1") name a Program by its digest: those of its heads get the head's class, others are refused.
TuningRecord parse_tuning_record(std::string_view text, const std::string& source);

/// The name of a key's file: readable, with a hash of the whole key.
std::string tuning_file_name(const TuningKey& key);

/// The records in `folder` that have `record`'s key and are comparable with it, merged; nothing if there are
/// none. Files that are not records are ignored.
std::optional<TuningRecord> known_tuning(const std::filesystem::path& folder, const TuningRecord& record);

/// A record's file after saving.
struct SavedTuning {
  std::filesystem::path path;
  TuningRecord record;
  /// Whether this record chooses. If not, the file ends with `.partial` and is beside the one that does.
  bool chooses = true;
};

/// Adds a record to the file `tuning_file_name` in `folder`, merged with what is there; creates the folder if
/// it is missing. A record that chooses nothing yet goes into a file of that name and `.partial`; so does a
/// record that is not comparable with the one that chooses, e.g. of another compiler, and less thorough. A
/// reader of a file sees the old or the new contents, never a part; processes that save into one folder wait
/// for each other. A file that gumtile 0.1 wrote for the key is merged like others and then removed, since
/// its name differs. Throws Error(cannot_create).
SavedTuning save_tuning_record(const std::filesystem::path& folder, const TuningRecord& record);

/// A file's name and its contents.
struct TuningRecordText {
  std::string_view name;
  std::string_view text;
};

/// Returns why a schedule cannot be used; an empty text if it can.
using WhyNot = std::function<std::string(const Schedule&)>;

/// For kernels of `program`: refuses schedules that are not legal for it, or of another family than the
/// built-in choice. The built-in choice decides the family, since families add up a dot product in different
/// orders: with two of them a request's token would depend on how many others are in its batch. `program`
/// must outlive the result.
WhyNot why_not_usable(const Program& program, const Problem& problem, const Target& target,
                      const Schedule& built_in);

/// Records by key. Immutable once loaded; thread safe.
///
/// A key's own records take precedence: the user's, then those in packs, then shipped ones. If none of them
/// can be used, the record of the nearest class (`distance`) with otherwise the same key is taken. If several
/// are equally near, the user's precede those in packs, and these precede shipped ones; then the class whose
/// text is the lesser decides.
class TuningRecords {
 public:
  /// A schedule, and where it comes from: "user record /…/x.json", "shipped record x.json", "shipped record
  /// x.json, of the nearest class (words=5 here, 3 there)".
  struct Choice {
    Schedule schedule;
    std::string rule;
  };

  /// User records from `folder` (empty: `default_tuning_folder()`), then those in packs, then the records
  /// that gumtile ships. Files that cannot be read or are not valid records are logged and ignored.
  static std::shared_ptr<const TuningRecords> load(const std::filesystem::path& folder = {},
                                                   const Log& log = {},
                                                   std::span<const TuningRecordText> packed = {});
  /// The same from texts in memory; their order decides between records of one key.
  static std::shared_ptr<const TuningRecords> from_texts(std::span<const TuningRecordText> user,
                                                         std::span<const TuningRecordText> shipped,
                                                         const Log& log = {});

  /// The choice of the first record that can be used. Lists in `refused` the records before it that cannot be
  /// used, and why.
  std::optional<Choice> find(const TuningKey& key, const WhyNot& why_not = {},
                             std::vector<std::string>* refused = nullptr) const;

  /// A record for any device. Views into these records.
  struct Tuned {
    const Schedule* schedule;
    std::string_view text;
  };
  /// All records for a class, a problem (with its bucket) and a target, whatever the card, and for cards
  /// without a usable one, the record that is used in its place: what a pack includes.
  std::vector<Tuned> on_any_card(const Workload& workload, const Problem& problem, const std::string& target,
                                 const WhyNot& why_not = {}) const;

  /// How many records there are for a matrix, whatever the device, the types and the batch.
  size_t count_for(int64_t columns, int64_t contracted) const;

  /// `find`, and why other records that one might expect to be used are not: those that cannot be used or
  /// that another one precedes, those for the same matrix and bucket that differ in class or place, and
  /// ignored files. Separately, those for the same matrix on other devices.
  struct Explanation {
    std::optional<Choice> choice;
    std::vector<std::string> not_used;
    std::vector<std::string> of_other_devices;  ///< those that differ in device
  };
  Explanation explain(const TuningKey& key, const WhyNot& why_not = {}) const;

 private:
  enum class Origin : uint8_t { user, pack, shipped };  // in the order in which they choose
  struct Entry {
    TuningKey key;
    Choice choice;
    std::string text;
    Origin origin;
    bool is_of_0_1;
  };
  /// A record that may choose for a key.
  struct Ranked {
    const Entry* entry;
    int distance;
  };
  void add(const TuningRecordText& record, Origin origin, const Log& log);
  std::vector<Ranked> ranked(const TuningKey& key) const;
  static std::string label(const Ranked& ranked, const TuningKey& key, std::string_view which);
  /// Its index; `ranked.size()` if there is none.
  static size_t first_usable(const std::vector<Ranked>& ranked, const TuningKey& key, const WhyNot& why_not,
                             std::vector<std::string>* refused);

  std::vector<Entry> entries_;
  std::vector<std::string> left_out_;  ///< files that are not records, and why
};

/// $GUMTILE_TUNING_DIR, else $XDG_DATA_HOME/gumtile/tuning (absolute only), else
/// ~/.local/share/gumtile/tuning; empty if none of them names a folder.
std::filesystem::path default_tuning_folder();

}  // namespace gumtile
