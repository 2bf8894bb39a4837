// Tuning records, and what the tuner decides without a device: candidates, ranges, a model's configuration.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gumtile/error.h"
#include "gumtile/programs.h"
#include "gumtile/tuning.h"
#include "runtime/tune/shipped.h"
#include "tests/old_record.h"
#include "tests/tune_fixture.h"
#include "tools/tune/candidates.h"
#include "tools/tune/problem.h"

using namespace gumtile;
using namespace gumtile::tools;
using namespace gumtile::test;

namespace {

std::string fault_of(const std::string& text) {
  try {
    parse_tuning_record(text, "x.json");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::bad_data);
    return error.what();
  }
  return "no fault";
}

std::shared_ptr<const TuningRecords> records_from(const std::vector<std::string>& user,
                                                  const std::vector<std::string>& shipped) {
  std::vector<TuningRecordText> user_texts, shipped_texts;
  for (const std::string& text : user) user_texts.push_back({"u.json", text});
  for (const std::string& text : shipped) shipped_texts.push_back({"s.json", text});
  return TuningRecords::from_texts(user_texts, shipped_texts);
}

}  // namespace

TEST_CASE("a record survives its text") {
  TuningRecord record = record_of(key_on(h200()));
  CHECK(parse_tuning_record(tuning_record_text(record), "x") == record);
  record.complete = false;
  record.winner.clear();
  CHECK(parse_tuning_record(tuning_record_text(record), "x") == record);
}

TEST_CASE("what is no record is refused, and the message names the place") {
  const std::string good = tuning_record_text(record_of(key_on(h200())));
  CHECK(fault_of(good) == "no fault");
  CHECK(fault_of("") != "no fault");
  CHECK(fault_of("[]") != "no fault");
  CHECK(fault_of(replaced(good, "tuning 2", "tuning 3")).find("gumtile tuning 2") != std::string::npos);
  CHECK(fault_of(replaced(good, "\"winner\"", "\"victor\"")).find("winner") != std::string::npos);
  CHECK(fault_of(replaced(good, "\"date\"", "\"extra\": 1, \"date\"")).find("extra") != std::string::npos);
  CHECK(fault_of(replaced(good, "\"date\"", "\"complete\": true, \"date\"")).find("twice") !=
        std::string::npos);
  CHECK(
      fault_of(replaced(good, "\"workload\": \"left=bf16", "\"workload\": \"left=bf17")).find("left=bf17") !=
      std::string::npos);
  CHECK(fault_of(replaced(good, "tuning 2", "tuning 1")).find("program") != std::string::npos);
  CHECK(fault_of(replaced(good, "300.25", "-1")).find("median_us") != std::string::npos);
  CHECK(fault_of(replaced(good, "300.25", "\"fast\"")).find("median_us") != std::string::npos);
  CHECK(fault_of(replaced(good, "300.25", "1e999")) != "no fault");
  CHECK(fault_of(replaced(good, "\"max_rows\": 16", "\"max_rows\": 0")).find("max_rows") !=
        std::string::npos);
  CHECK(fault_of(replaced(good, "\"max_rows\": 16", "\"max_rows\": 1.5")).find("max_rows") !=
        std::string::npos);
  CHECK(fault_of(replaced(good, "\"winner\": \"wgmma", "\"winner\": \"dance")).find("dance") !=
        std::string::npos);
  CHECK(fault_of(replaced(good, "\"winner\": \"wgmma:b64,v256", "\"winner\": \"wgmma:b128,v256")) !=
        "no fault");

  TuningRecord record = record_of(key_on(h200()));
  record.winner = record.candidates[2].schedule;
  CHECK(fault_of(tuning_record_text(record)).find("rejected") != std::string::npos);
  record = record_of(key_on(h200()));
  record.candidates.push_back(record.candidates[0]);
  CHECK(fault_of(tuning_record_text(record)).find("two candidates") != std::string::npos);
  record = record_of(key_on(h200()));
  record.heuristic = "simt:b8,v256,k32";
  CHECK(fault_of(tuning_record_text(record)).find("heuristic") != std::string::npos);
}

TEST_CASE("a damaged record never passes for another one") {
  const TuningRecord record = record_of(key_on(h200()));
  const std::string good = tuning_record_text(record);
  for (size_t length = 0; length + 2 < good.size(); ++length)
    CHECK(fault_of(good.substr(0, length)) != "no fault");
  for (size_t at = 0; at < good.size(); ++at) {
    std::string damaged = good;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x80);  // never ASCII
    try {
      const TuningRecord found = parse_tuning_record(damaged, "x");
      CHECK(Schedule::parse(found.winner).str() == record.winner);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::bad_data);
    }
  }
}

TEST_CASE("each card picks its own record, and none picks another's") {
  TuningRecord on_h100 = record_of(key_on(h100()));
  TuningRecord on_h200 = record_of(key_on(h200()));
  on_h200.winner = kHeuristic;
  const auto records = records_from({}, {tuning_record_text(on_h100), tuning_record_text(on_h200)});
  REQUIRE(records->find(key_on(h100())));
  REQUIRE(records->find(key_on(h200())));
  CHECK(records->find(key_on(h100()))->schedule.str() == kFaster);
  CHECK(records->find(key_on(h200()))->schedule.str() == kHeuristic);

  const auto only_h100 = records_from({}, {tuning_record_text(on_h100)});
  CHECK_FALSE(only_h100->find(key_on(h200())));
  const TuningRecords::Explanation why = only_h100->explain(key_on(h200()));
  CHECK_FALSE(why.choice);
  CHECK(why.not_used.empty());
  REQUIRE(why.of_other_devices.size() == 1);
  CHECK(why.of_other_devices[0].find("NVIDIA H100 80GB HBM3") != std::string::npos);
  CHECK(why.of_other_devices[0].find("NVIDIA H200") != std::string::npos);

  // Cards of one name: another number of multiprocessors, or other memory.
  DeviceDescription cut = h100();
  cut.workers = 114;
  CHECK_FALSE(only_h100->find(key_on(cut)));
  DeviceDescription slow = h100();
  slow.memory_bytes_per_second = 2.0e12;
  CHECK_FALSE(only_h100->find(key_on(slow)));
}

TEST_CASE("a head with tokens of 64 bits uses the record of one with 32") {
  for (const NoiseScheme noise : {NoiseScheme::grouped, NoiseScheme::per_token})
    for (const bool logprob : {false, true}) {
      MeasuredHead head = head_of(151936, 4096);
      head.noise = noise;
      head.features = logprob ? Features{feature_logprob} : kNoFeatures;
      const Problem problem = problem_of(head, 16);
      const TuningKey narrow = tuning_key(h200(), program_of(head), problem);
      const auto records = records_from({tuning_record_text(record_of(narrow))}, {});
      head.token_dtype = DType::i64;
      CHECK(tuning_key(h200(), program_of(head), problem) == narrow);
      REQUIRE(records->find(tuning_key(h200(), program_of(head), problem)));
      CHECK(records->find(tuning_key(h200(), program_of(head), problem))->rule == "user record u.json");
    }
}

TEST_CASE("every part of the key counts") {
  const TuningKey key = key_on(h200());
  const auto records = records_from({tuning_record_text(record_of(key))}, {});
  REQUIRE(records->find(key));
  std::set<std::string> names{tuning_file_name(key)};
  const auto differs = [&](auto change) {
    TuningKey other = key;
    change(other);
    CHECK_FALSE(records->find(other));
    CHECK(names.insert(tuning_file_name(other)).second);
  };
  differs([](TuningKey& k) { k.device_name.pop_back(); });
  differs([](TuningKey& k) { ++k.workers; });
  differs([](TuningKey& k) { ++k.memory_class; });
  differs([](TuningKey& k) { k.target.pop_back(); });
  differs([](TuningKey& k) { k.workload.sweeps = 2; });
  differs([](TuningKey& k) { ++k.problem.columns; });
  differs([](TuningKey& k) { ++k.problem.contracted; });
  differs([](TuningKey& k) { k.problem.max_rows = 32; });
  differs([](TuningKey& k) { k.problem.weights_alignment = 8; });
  differs([](TuningKey& k) { k.problem.first_column = 256; });
}

TEST_CASE("a user's record goes before a shipped one, the first before others") {
  TuningRecord user = record_of(key_on(h200()));
  user.winner = kHeuristic;
  const TuningRecord shipped = record_of(key_on(h200()));
  const auto records = records_from({"nonsense", tuning_record_text(user)}, {tuning_record_text(shipped)});
  const TuningRecords::Explanation why = records->explain(key_on(h200()));
  REQUIRE(why.choice);
  CHECK(why.choice->schedule.str() == kHeuristic);
  CHECK(why.choice->rule == "user record u.json");
  REQUIRE(why.not_used.size() == 2);
  CHECK(why.not_used[0].find("shipped record s.json") != std::string::npos);
  CHECK(why.not_used[1].find("left out") != std::string::npos);
  CHECK(records_from({}, {tuning_record_text(shipped)})->find(key_on(h200()))->rule ==
        "shipped record s.json");
}

TEST_CASE("shipped records are records, each under the name of its key") {
  for (const TuningRecordText& file : tune::shipped_records()) {
    CAPTURE(file.name);
    const TuningRecord record = parse_tuning_record(file.text, std::string(file.name));
    CHECK(record.complete);
    CHECK(tuning_file_name(record.key) == file.name);
  }
}

TEST_CASE("a record may be for ranges that begin elsewhere, too") {
  TuningRecord record = record_of(key_on(h200()));
  record.also_first_columns = {4096, 12288};
  const std::string text = tuning_record_text(record);
  CHECK(parse_tuning_record(text, "x.json").also_first_columns == record.also_first_columns);
  const auto records = records_from({text}, {});
  TuningKey key = record.key;
  for (const int64_t first_column : {0, 4096, 12288}) {
    key.problem.first_column = first_column;
    REQUIRE(records->find(key));
    CHECK(records->find(key)->schedule.str() == record.winner);
  }
  key.problem.first_column = 8192;
  CHECK_FALSE(records->find(key));
  CHECK(fault_of(replaced(text, "12288", "-1")).find("also_first_columns") != std::string::npos);
  CHECK(fault_of(replaced(text, "12288", "1.5")).find("also_first_columns") != std::string::npos);
  CHECK(tuning_record_text(record_of(key_on(h200()))).find("also_first_columns") == std::string::npos);
}

TEST_CASE("each card picks its own shipped records, and no other card does") {
  const auto shipped = TuningRecords::from_texts({}, tune::shipped_records());
  DeviceDescription narrow = h200();  // the same model with fewer multiprocessors, or slower memory
  narrow.workers = 114;
  DeviceDescription slow = h200();
  slow.memory_bytes_per_second = 4.0e12;
  std::vector<MeasuredHead> heads{head_of(151936, 4096), head_of(128256, 8192), head_of(151936, 2048)};
  for (int64_t first = 0; first < 128256; first += 16032) {
    heads.push_back(head_of(16032, 8192));
    heads.back().first_token = first;
  }
  for (MeasuredHead& head : heads)
    for (const bool logprob : {false, true})
      for (const int64_t rows : {1, 4, 8, 16, 32, 64, 128, 256, 384, 512}) {
        head.features = logprob ? Features{feature_logprob} : kNoFeatures;
        const Program program = program_of(head);
        const Problem problem = problem_of(head, rows);
        std::map<std::string, std::string> picks;
        for (const DeviceDescription& device : {h100(), h200()}) {
          CAPTURE(device.name);
          const auto choice = shipped->find(tuning_key(device, program, problem));
          REQUIRE(choice);
          CHECK_NOTHROW(make_plan(program, problem, choice->schedule, device.target));
          picks[device.name] = choice->rule;
          if (head.vocab_size == 151936 && head.hidden_size == 4096 && !logprob)
            MESSAGE(device.name, ", ", rows, " rows: ", choice->schedule.str(), " (", choice->rule, ")");
        }
        CHECK(picks.begin()->second.find("nvidia-h100-80gb-hbm3") != std::string::npos);
        CHECK(picks.rbegin()->second.find("nvidia-h200") != std::string::npos);
        for (const DeviceDescription& device : {narrow, slow})
          CHECK_FALSE(shipped->find(tuning_key(device, program, problem)));
      }
}

TEST_CASE("candidates: the heuristic first, of one family, none twice, all legal") {
  for (const DeviceDescription& device : {h100(), h200()}) {
    for (const int64_t rows : {1, 4, 8, 16, 32, 64, 128, 256, 384, 512}) {
      CAPTURE(rows);
      const MeasuredHead head = head_of(151936, 4096);
      const Program program = program_of(head);
      const std::vector<Schedule> found =
          tuning_candidates(program, problem_of(head, rows), device, 32, false);
      CHECK(found.size() <= 32);
      CHECK(found.size() >= 16);
      CHECK(found[0] == heuristic_of(program, problem_of(head, rows), device));
      std::set<std::string> texts;
      for (const Schedule& schedule : found) {
        CHECK(schedule.family_name() == "wgmma");
        CHECK(texts.insert(schedule.str()).second);
        CHECK_NOTHROW(make_plan(program, problem_of(head, rows), schedule, device.target));
      }
    }
  }
  const MeasuredHead head = head_of(4096, 256);
  const std::vector<Schedule> all = tuning_candidates(program_of(head), problem_of(head, 4), h200(), 8, true);
  std::set<std::string_view> families;
  for (const Schedule& schedule : all) families.insert(schedule.family_name());
  CHECK(families == std::set<std::string_view>{"wgmma", "mma_sync", "simt"});
}

TEST_CASE("the ranges of a vocabulary are tuned once for each kind") {
  const auto covered = [](const std::vector<TuneProblem>& problems) {
    int64_t tokens = 0;
    for (const TuneProblem& problem : problems)
      tokens += problem.head.vocab_size * static_cast<int64_t>(1 + problem.also_first_tokens.size());
    return tokens;
  };
  const std::vector<TuneProblem> even = shard_problems(head_of(128256, 8192), 8);  // 16032 = 62 * 256 + 160
  CHECK(even.size() == 2);
  CHECK(covered(even) == 128256);
  const std::vector<TuneProblem> whole = shard_problems(head_of(131072, 64), 4);
  REQUIRE(whole.size() == 1);
  CHECK(whole[0].also_first_tokens == std::vector<int64_t>{32768, 65536, 98304});
  const std::vector<TuneProblem> odd = shard_problems(head_of(1003, 64), 4);  // 251, 251, 251, 250
  CHECK(covered(odd) == 1003);
  CHECK(odd.back().head.vocab_size == 250);
  CHECK_THROWS_AS(shard_problems(head_of(1003, 64), 0), Error);
  CHECK_THROWS_AS(shard_problems(head_of(3, 64), 4), Error);
}
