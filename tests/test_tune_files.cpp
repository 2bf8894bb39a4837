// Tuning records in a folder: what is read, what is written, and the merged results of searches of one key.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "gumtile/error.h"
#include "tests/tune_fixture.h"

using namespace gumtile;
using namespace gumtile::test;

TEST_CASE("records are loaded from a folder; what is no record is logged and left out") {
  const TemporaryFolder folder;
  const fs::path saved = save_tuning_record(folder.path() / "deep", record_of(key_on(h200()))).path;
  write_file(folder.path() / "deep" / "a.json", "{");
  write_file(folder.path() / "deep" / "b.txt", "not read");
  fs::create_directory(folder.path() / "deep" / "c.json");
  fs::create_symlink("nowhere", folder.path() / "deep" / "d.json");
  std::vector<std::string> said;
  const auto records =
      TuningRecords::load(folder.path() / "deep", [&](LogLevel level, std::string_view message) {
        CHECK(level == LogLevel::warning);
        said.emplace_back(message);
      });
  CHECK(said.size() == 3);
  REQUIRE(records->find(key_on(h200())));
  CHECK(records->find(key_on(h200()))->rule == fmt::format("user record {}", saved.string()));
  CHECK_FALSE(TuningRecords::load(folder.path() / "missing")->find({}));
}

TEST_CASE("what chooses nothing yet is kept beside, and goes when there is a choice") {
  const TemporaryFolder folder;
  TuningRecord record = record_of(key_on(h200()));
  record.complete = false;
  record.winner.clear();
  const SavedTuning partial = save_tuning_record(folder.path(), record);
  CHECK(partial.path.extension() == ".partial");
  CHECK_FALSE(partial.chooses);
  CHECK_FALSE(TuningRecords::load(folder.path())->find(record.key));
  CHECK(known_tuning(folder.path(), record) == record);
  const SavedTuning complete = save_tuning_record(folder.path(), record_of(record.key));
  CHECK(complete.chooses);
  CHECK(complete.path.filename() == tuning_file_name(record.key));
  CHECK_FALSE(fs::exists(partial.path));
  CHECK(parse_tuning_record(read_file(complete.path), "x") == complete.record);
  CHECK(complete.record.complete);
}

TEST_CASE("a record that lacks some measurements chooses all the same, and says that it lacks them") {
  const TemporaryFolder folder;
  TuningRecord record = record_of(key_on(h200()));
  record.candidates[2].rejected = "not measured: the budget was spent";
  record.complete = false;
  const SavedTuning saved = save_tuning_record(folder.path(), record);
  CHECK(saved.chooses);
  CHECK_FALSE(parse_tuning_record(read_file(saved.path), "x").complete);
  REQUIRE(TuningRecords::load(folder.path())->find(record.key));
  CHECK(TuningRecords::load(folder.path())->find(record.key)->schedule.str() == kFaster);
}

TEST_CASE("a search that was interrupted takes nothing away from a record") {
  const TemporaryFolder folder;
  const TuningRecord record = record_of(key_on(h200()));
  save_tuning_record(folder.path(), record);
  TuningRecord interrupted = record;
  interrupted.complete = false;
  interrupted.winner.clear();
  interrupted.date = "2026-02-02T00:00:00Z";
  for (TuningCandidate& candidate : interrupted.candidates) candidate = {candidate.schedule, 0, 0, 0, ""};
  interrupted.candidates[0] = {kHeuristic, 400, 399, 401, "", 3, 1, 0.01, interrupted.date};
  interrupted.candidates.push_back({"simt:b8,v256,k32", 0, 0, 0, "not measured: the budget was spent"});
  const SavedTuning saved = save_tuning_record(folder.path(), interrupted);
  CHECK(saved.chooses);
  CHECK(saved.record.complete);
  CHECK(saved.record.winner == kFaster);
  REQUIRE(saved.record.candidates.size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    CHECK(saved.record.candidates[i].median_us == record.candidates[i].median_us);
    CHECK(saved.record.candidates[i].rejected == record.candidates[i].rejected);
  }
  CHECK(saved.record.candidates[0].run == record.date);  // the record says which search measured it
}

TEST_CASE("a record of another compiler goes only when about as thorough a one comes") {
  const TemporaryFolder folder;
  const TuningRecord record = record_of(key_on(h200()));
  save_tuning_record(folder.path(), record);
  TuningRecord other = record;
  other.compiler = "LLVM 23";
  other.winner = kHeuristic;
  other.candidates.resize(1);
  const SavedTuning shorter = save_tuning_record(folder.path(), other);
  CHECK_FALSE(shorter.chooses);
  CHECK(shorter.path.extension() == ".partial");
  CHECK(TuningRecords::load(folder.path())->find(record.key)->schedule.str() == kFaster);
  CHECK(known_tuning(folder.path(), record)->winner == kFaster);
  CHECK(known_tuning(folder.path(), other)->winner == kHeuristic);
  other.candidates = record.candidates;
  CHECK(save_tuning_record(folder.path(), other).chooses);
  CHECK(TuningRecords::load(folder.path())->find(record.key)->schedule.str() == kHeuristic);
  CHECK_FALSE(fs::exists(shorter.path));
}

TEST_CASE("processes that save into one folder at the same time lose nothing of each other") {
  const TemporaryFolder folder;
  const TuningRecord record = record_of(key_on(h200()));
  constexpr int kProcesses = 6;
  constexpr int kEach = 20;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      for (int i = 0; i < kEach; ++i) {
        TuningRecord mine = record;
        mine.candidates.push_back(
            {fmt::format("simt:b{},v256,k{}", 8 * (1 + process), 32 * (1 + i)), 350, 349, 351, ""});
        save_tuning_record(folder.path(), mine);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  const std::optional<TuningRecord> all = known_tuning(folder.path(), record);
  REQUIRE(all);
  CHECK(all->candidates.size() == record.candidates.size() + kProcesses * kEach);
  CHECK(all->winner == kFaster);
}

TEST_CASE("a record is written as a whole: a reader sees the old or the new one") {
  const TemporaryFolder folder;
  TuningRecord record = record_of(key_on(h200()));
  const fs::path path = save_tuning_record(folder.path(), record).path;
  bool torn = false;
  {
    std::jthread reader([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        try {
          parse_tuning_record(read_file(path), "x");
        } catch (const Error&) {
          torn = true;
        }
      }
    });
    for (int i = 0; i < 200; ++i) {
      record.candidates.resize(3 + static_cast<size_t>(i) % 2);
      if (record.candidates.size() == 4) record.candidates[3] = {"simt:b8,v256,k32", 1, 1, 1, "slow"};
      save_tuning_record(folder.path(), record);
    }
  }
  CHECK_FALSE(torn);
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);  // no temporary file is left

  write_file(folder.path() / "file", "");
  CHECK_THROWS_AS(save_tuning_record(folder.path() / "file", record), Error);
}

TEST_CASE("where a user's records are") {
  ::unsetenv("GUMTILE_TUNING_DIR");
  ::setenv("XDG_DATA_HOME", "/data", 1);
  CHECK(default_tuning_folder() == "/data/gumtile/tuning");
  ::setenv("XDG_DATA_HOME", "relative", 1);
  ::setenv("HOME", "/home/u", 1);
  CHECK(default_tuning_folder() == "/home/u/.local/share/gumtile/tuning");
  ::unsetenv("HOME");
  CHECK(default_tuning_folder().empty());
  ::setenv("GUMTILE_TUNING_DIR", "own", 1);
  CHECK(default_tuning_folder() == "own");
}
