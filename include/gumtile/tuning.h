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

/// What a tuning record is for. Cards of one architecture differ, so that the device is part of it by its
/// model and not by its architecture.
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

/// A schedule has to be faster than another one by more than this part to be chosen instead: what medians of
/// one kernel differ by from run to run, on an idle H100 and H200.
inline constexpr double kTuningTie = 0.01;

/// How the reasons begin for candidates that a search had no time for.
inline constexpr std::string_view kNotMeasured = "not measured";

/// One schedule that a tuner looked at.
struct TuningCandidate {
  std::string schedule;
  double median_us = 0;  ///< 0: not measured
  double p5_us = 0;
  double p95_us = 0;
  std::string rejected;  ///< why it was not measured or may not win; empty: it competes
  int rounds = 0;        ///< that the times are of; 0: not known, as in records of gumtile 0.1
  /// Its time over the built-in choice's in the same round, as the median over the rounds, and how far that
  /// ratio was scattered over them (a robust standard deviation). 0: not known.
  double of_built_in = 0;
  double spread = 0;
  std::string run = {};  ///< the date of the search that measured it; empty: the record's

  bool operator==(const TuningCandidate&) const = default;
};

/// Whether a search measured a candidate, or rejected it for what it did.
bool is_decided(const TuningCandidate& candidate);

/// All that tuners learnt about one key.
struct TuningRecord {
  TuningKey key;
  /// Every candidate was measured, or rejected for what it did. False: the search was interrupted or its
  /// budget was spent; a resumed one goes on.
  bool complete = true;
  /// One of the candidates: what the record chooses. Empty in an incomplete record that chooses nothing yet.
  std::string winner;
  std::vector<TuningCandidate> candidates;
  std::string heuristic;  ///< the built-in choice at the time; one of the candidates
  /// Where the range began that was measured. Ranges of a vocabulary that differ only in where they begin
  /// may share one measurement.
  int64_t measured_first_column = 0;
  /// Ranges of as many columns from other first columns that the record is for, too.
  std::vector<int64_t> also_first_columns;
  std::string gumtile_version;
  std::string compiler;  ///< KernelSource::identity
  std::string driver;    ///< "13.0", or empty
  std::string date;      ///< ISO 8601, UTC: when something was learnt last
  std::string note;      ///< what its maker says about the choice, e.g. "too noisy: built-in kept"; or empty

  bool operator==(const TuningRecord&) const = default;
};

/// Whether two records' times may be compared: of one key, and measured in one place with one built-in choice
/// by one version of gumtile, its compiler and the driver.
bool are_comparable(const TuningRecord& a, const TuningRecord& b);

/// What two comparable records know together. Of a schedule that both have measured, the times of more rounds
/// are kept; the newer ones, if they are of half as many or more. A choice that is `known` gives way to
/// another one that `found` has measured as long and found faster, and to the built-in one only if `found`
/// has measured it anew: a shorter search loses nothing.
TuningRecord merge_tuning_records(const TuningRecord& known, const TuningRecord& found);

/// The JSON text of a record ("format": "gumtile tuning 2"), ending with a line break.
std::string tuning_record_text(const TuningRecord& record);
/// The record in `text`. Strict: throws Error(bad_data) naming `source` where a member is missing, unknown or
/// not what it should be, a schedule cannot be parsed, or the winner may not win. Records of gumtile 0.1
/// ("gumtile tuning 1") name a Program by its digest: those of its heads get their class, others are refused.
TuningRecord parse_tuning_record(std::string_view text, const std::string& source);

/// The name of a key's file: readable, and with a hash of all of the key.
std::string tuning_file_name(const TuningKey& key);

/// What `folder` has of `record`'s key that is comparable with it, merged; nothing if it has none. Files that
/// are not records count for nothing.
std::optional<TuningRecord> known_tuning(const std::filesystem::path& folder, const TuningRecord& record);

/// What is in a record's file now.
struct SavedTuning {
  std::filesystem::path path;
  TuningRecord record;
  /// Whether it is what chooses. If not, the file ends with `.partial` and lies beside the one that does.
  bool chooses = true;
};

/// Adds a record to `folder`, which is made if it is missing: to the file `tuning_file_name`, merged with
/// what is there. What chooses nothing yet goes into a file of that name and `.partial`; so does a record
/// that is not comparable with the one that chooses, e.g. of another compiler, and less thorough. Whoever
/// reads a file sees the old or the new contents, never a part; processes that save into one folder wait for
/// each other. A file that gumtile 0.1 wrote for the key is merged like others and then removed, since its
/// name is another. Throws Error(cannot_create).
SavedTuning save_tuning_record(const std::filesystem::path& folder, const TuningRecord& record);

/// A file's name and its contents.
struct TuningRecordText {
  std::string_view name;
  std::string_view text;
};

/// Says why a schedule cannot be used; an empty text if it can.
using WhyNot = std::function<std::string(const Schedule&)>;

/// For kernels of `program`: schedules that are not legal for it, or of another family than the built-in
/// choice. That one decides the family: families add up a dot product in different orders, and with two of
/// them a request's token would depend on how many others are in its batch. `program` must outlive it.
WhyNot why_not_usable(const Program& program, const Problem& problem, const Target& target,
                      const Schedule& built_in);

/// Records by key. Immutable once loaded; thread safe.
///
/// A key's own records go first: the user's, then those in packs, then shipped ones. A key that has none
/// which can be used takes the record of the nearest class (`distance`) with otherwise the same key; of
/// several at one distance the user's go before those in packs before shipped ones, then the class decides
/// whose text is the lesser.
class TuningRecords {
 public:
  /// A schedule, and where it comes from: "user record /…/x.json", "shipped record x.json", "shipped record
  /// x.json, of the nearest class (words=5 here, 3 there)".
  struct Choice {
    Schedule schedule;
    std::string rule;
  };

  /// User records from `folder` (empty: `default_tuning_folder()`), then those that travelled in packs, then
  /// the records that gumtile ships. Files that cannot be read, or are not what they should be, are logged
  /// and left out.
  static std::shared_ptr<const TuningRecords> load(const std::filesystem::path& folder = {},
                                                   const Log& log = {},
                                                   std::span<const TuningRecordText> packed = {});
  /// The same from texts in memory; their order decides between records of one key.
  static std::shared_ptr<const TuningRecords> from_texts(std::span<const TuningRecordText> user,
                                                         std::span<const TuningRecordText> shipped,
                                                         const Log& log = {});

  /// What the first record chooses that can be used. Says in `refused` which ones cannot that go before it,
  /// and why.
  std::optional<Choice> find(const TuningKey& key, const WhyNot& why_not = {},
                             std::vector<std::string>* refused = nullptr) const;

  /// A record for any device. Views into these records.
  struct Tuned {
    const Schedule* schedule;
    std::string_view text;
  };
  /// All records for a class, a problem (with its bucket) and a target, whatever the card, and on cards
  /// without one that can be used, the record that is taken in its place: what a pack takes along.
  std::vector<Tuned> on_any_card(const Workload& workload, const Problem& problem, const std::string& target,
                                 const WhyNot& why_not = {}) const;

  /// How many records there are for a matrix, whatever the device, the types and the batch.
  size_t count_for(int64_t columns, int64_t contracted) const;

  /// `find`, and why other records that one might expect to be used are not: those that cannot be used or
  /// that another one goes before, those for the same matrix and bucket that differ in class or place, and
  /// files left out. Apart from them, those for the same matrix on other devices.
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
  std::vector<std::string> left_out_;  ///< files that are no records, and why
};

/// $GUMTILE_TUNING_DIR, else $XDG_DATA_HOME/gumtile/tuning (absolute only), else
/// ~/.local/share/gumtile/tuning; empty where none of them names a folder.
std::filesystem::path default_tuning_folder();

}  // namespace gumtile
