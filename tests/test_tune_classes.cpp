// Workload classes as keys of tuning records: which record a Program without its own takes, and records of
// gumtile 0.1, which named Programs by their digests.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gumtile/error.h"
#include "gumtile/programs.h"
#include "runtime/tune/digests_0_1.h"
#include "runtime/tune/shipped.h"
#include "tests/old_record.h"
#include "tests/tune_fixture.h"

using namespace gumtile;
using namespace gumtile::test;
using gumtile::tools::problem_of;
using gumtile::tools::program_of;

namespace {

/// A key whose class has `words` words in a row's record, and otherwise is that of key_on(h200()).
TuningKey key_with_words(int words) {
  TuningKey key = key_on(h200());
  key.workload.record_words = words;
  return key;
}

/// A record that chooses a schedule with `stages` stages, so that choices can be distinguished.
TuningRecord record_with(const TuningKey& key, int stages) {
  TuningRecord record = record_of(key);
  record.winner = Schedule::parse(fmt::format("wgmma:b64,v64,k64,stages={}", stages)).str();
  record.candidates[2] = {record.winner, 1, 1, 1, ""};
  return record;
}

struct Files {
  std::vector<std::pair<std::string, TuningRecord>> user, shipped;
};

std::shared_ptr<const TuningRecords> load(const Files& files) {
  std::vector<std::string> texts;
  for (const auto* list : {&files.user, &files.shipped})
    for (const auto& [name, record] : *list) texts.push_back(tuning_record_text(record));
  std::vector<TuningRecordText> user, shipped;
  for (const auto& [name, record] : files.user) user.push_back({name, texts[user.size()]});
  for (const auto& [name, record] : files.shipped)
    shipped.push_back({name, texts[user.size() + shipped.size()]});
  return TuningRecords::from_texts(user, shipped);
}

int stages_of(const std::optional<TuningRecords::Choice>& choice) {
  REQUIRE(choice);
  return std::get<WgmmaSchedule>(choice->schedule.family).stages;
}

/// Calls `function` for all heads that gumtile 0.1 tuned for.
template <typename Function>
void for_each_head_of_0_1(const Function& function) {
  for (const NoiseScheme noise : {NoiseScheme::grouped, NoiseScheme::per_token})
    for (const Features features : {kNoFeatures, Features{feature_logprob}})
      for (const DType hidden : {DType::bf16, DType::f16, DType::f32})
        for (const DType weights : {DType::bf16, DType::f16, DType::f32})
          function(SamplingOptions{noise, hidden, weights, features});
}

}  // namespace

TEST_CASE("a Program that no record is for takes the one of the nearest class, and says so") {
  const auto records = load(
      {{},
       {{"far.json", record_with(key_with_words(9), 2)}, {"near.json", record_with(key_with_words(4), 3)}}});
  const auto choice = records->find(key_with_words(3));
  CHECK(stages_of(choice) == 3);
  CHECK(choice->rule == "shipped record near.json, of the nearest class (words=3 here, 4 there)");
  CHECK(stages_of(records->find(key_with_words(100))) == 2);

  TuningKey other = key_with_words(3);
  other.workload.transcendental += 16;
  CHECK(records->find(other)->rule.ends_with(
      fmt::format("(words=3 here, 4 there; transcendental={} here, {} there)", other.workload.transcendental,
                  other.workload.transcendental - 16)));

  // The rest of the key must be equal.
  const auto finds_nothing = [&](auto change) {
    TuningKey key = key_with_words(3);
    change(key);
    CHECK_FALSE(records->find(key));
  };
  finds_nothing([](TuningKey& k) { k.device_name = "NVIDIA H100 80GB HBM3"; });
  finds_nothing([](TuningKey& k) { --k.workers; });
  finds_nothing([](TuningKey& k) { k.problem.max_rows = 32; });
  finds_nothing([](TuningKey& k) { k.problem.first_column = 256; });
  finds_nothing([](TuningKey& k) { k.workload.operands = DType::f16; });
  finds_nothing([](TuningKey& k) { k.workload.bound = Workload::Bound::element; });
}

TEST_CASE(
    "a record of the class itself goes before any of another class, also a shipped one before the user's") {
  const auto records = load({{{"near.json", record_with(key_with_words(4), 2)}},
                             {{"exact.json", record_with(key_with_words(3), 3)}}});
  const TuningRecords::Explanation why = records->explain(key_with_words(3));
  REQUIRE(why.choice);
  CHECK(why.choice->rule == "shipped record exact.json");
  CHECK(why.not_used ==
        std::vector<std::string>{"user record near.json, of another class (words=3 here, 4 there): "
                                 "shipped record exact.json goes before it"});
}

TEST_CASE(
    "of records at one distance the user's goes first, then the class decides and not the files' names") {
  const TuningRecord fewer = record_with(key_with_words(4), 2);
  const TuningRecord more = record_with(key_with_words(6), 3);
  CHECK(stages_of(load({{{"x", more}}, {{"y", fewer}}})->find(key_with_words(5))) == 3);
  CHECK(stages_of(load({{{"x", fewer}}, {{"y", more}}})->find(key_with_words(5))) == 2);
  CHECK(stages_of(load({{}, {{"x", fewer}, {"y", more}}})->find(key_with_words(5))) == 2);
  CHECK(stages_of(load({{}, {{"x", more}, {"y", fewer}}})->find(key_with_words(5))) == 2);
}

TEST_CASE("a schedule that the Program cannot have is passed over, then the next nearest, then all") {
  // With log-probabilities states take more shared memory: 14 stages no longer fit.
  const MeasuredHead logprob = head_of(151935, 4096);
  MeasuredHead plain = logprob;
  plain.features = kNoFeatures;
  REQUIRE(logprob.features == feature_logprob);
  const Program program = program_of(logprob);
  const Problem problem = problem_of(logprob, 16);
  const TuningKey key = tuning_key(h200(), program, problem);
  const Schedule built_in = default_schedule(program, problem, h200().target);
  const WhyNot why_not = why_not_usable(program, problem, h200().target, built_in);
  const TuningRecord deep = record_with(tuning_key(h200(), program_of(plain), problem), 14);
  CHECK_NOTHROW(make_plan(program_of(plain), problem, Schedule::parse(deep.winner), h200().target));
  TuningKey farther = deep.key;
  farther.workload.stored_bytes = 2;
  REQUIRE(*distance(deep.key.workload, key.workload) < *distance(farther.workload, key.workload));

  std::vector<std::string> refused;
  const auto both = load({{}, {{"deep", deep}, {"next", record_with(farther, 3)}}});
  CHECK(stages_of(both->find(key)) == 14);
  CHECK(stages_of(both->find(key, why_not, &refused)) == 3);
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].starts_with("shipped record deep, of another class (join=records here, packed there; "));
  CHECK(refused[0].find("bytes of shared memory") != std::string::npos);
  const TuningRecords::Explanation why = both->explain(key, why_not);
  REQUIRE(why.choice);
  CHECK(why.choice->rule.starts_with("shipped record next, of the nearest class ("));
  CHECK(why.not_used == refused);

  const auto one = load({{}, {{"deep", deep}}});
  CHECK_FALSE(one->find(key, why_not));
  CHECK_FALSE(one->explain(key, why_not).choice);
  // A record of the head's own class does not help, either, if its schedule cannot be used.
  const auto own = load({{{"own", record_with(key, 14)}}, {{"shipped", record_with(key, 4)}}});
  CHECK(own->find(key, why_not)->rule == "shipped record shipped");

  TuningRecord simt = record_of(key);
  simt.winner = "simt:b8,v256,k32";
  simt.candidates.push_back({simt.winner, 1, 1, 1, ""});
  refused.clear();
  CHECK_FALSE(load({{}, {{"simt", simt}}})->find(key, why_not, &refused));
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].find("another family") != std::string::npos);
}

TEST_CASE("heads of all types on both cards: those that no shipped record is for keep the built-in choice") {
  const auto shipped = TuningRecords::from_texts({}, tune::shipped_records());
  const Problem problem = problem_of(head_of(151936, 4096), 16);
  int tuned = 0;
  for_each_head_of_0_1([&](SamplingOptions options) {
    for (const DeviceDescription& device : {h100(), h200()}) {
      const auto choice = shipped->find(tuning_key(device, lm_head_sample(options), problem));
      options.token_dtype = DType::i64;
      const auto wide = shipped->find(tuning_key(device, lm_head_sample(options), problem));
      CHECK(choice.has_value() == wide.has_value());
      if (!choice) continue;
      ++tuned;
      CHECK(choice->rule.find("nearest") == std::string::npos);
      CHECK(choice->rule == wide->rule);
    }
  });
  CHECK(tuned == 4);  // grouped noise and bf16, with and without log-probabilities
}

TEST_CASE("the classes of gumtile 0.1's digests are those of its heads, each of one head") {
  std::set<std::string> classes;
  for_each_head_of_0_1([&](const SamplingOptions& options) {
    const Program program = lm_head_sample(options);
    const std::string text = digest(program);
    CAPTURE(text);
    REQUIRE(tune::workload_of_digest(text));
    CHECK(*tune::workload_of_digest(text) == workload_of(program));
    CHECK(tune::digest_of_workload(workload_of(program)) == text);
    CHECK(classes.insert(workload_of(program).str()).second);
  });
  CHECK_FALSE(tune::workload_of_digest(digest(gemm(DType::bf16, DType::bf16, DType::f32))));
  CHECK_FALSE(tune::digest_of_workload(workload_of(gemm(DType::bf16, DType::bf16, DType::f32))));
}

TEST_CASE("a record of gumtile 0.1 counts as one of its head's class") {
  const TuningRecord record = record_of(key_on(h200()));
  const std::string head = digest(program_of(head_of(151935, 4096)));
  const std::string old = text_of_0_1(record, head);
  CHECK(parse_tuning_record(old, "x.json") == record);
  const TuningRecordText file{"x.json", old};
  const auto records = TuningRecords::from_texts({&file, 1}, {});
  REQUIRE(records->find(record.key));
  CHECK(records->find(record.key)->rule == "user record x.json");
  // The text that it is passed on as has the class.
  const auto tuned = records->on_any_card(record.key.workload, record.key.problem, record.key.target);
  REQUIRE(tuned.size() == 1);
  CHECK(tuned[0].text == tuning_record_text(record));
  // If there is a newer record of the same key, it does not choose, whatever their names.
  TuningRecord newer = record;
  newer.winner = kHeuristic;
  const std::string text = tuning_record_text(newer);
  const TuningRecordText files[] = {file, {"y.json", text}};
  CHECK(TuningRecords::from_texts(files, {})->find(record.key)->rule == "user record y.json");
}

TEST_CASE("a record of gumtile 0.1 for a Program that is not one of its heads is left out, with the remedy") {
  const TuningRecord record = record_of(key_on(h200()));
  const std::string old = text_of_0_1(record, "0123456789abcdef0123456789abcdef");
  std::vector<std::string> said;
  const TuningRecordText file{"/folder/x.json", old};
  const auto records = TuningRecords::from_texts(
      {&file, 1}, {}, [&](LogLevel, std::string_view message) { said.emplace_back(message); });
  CHECK_FALSE(records->find(record.key));
  const TuningRecords::Explanation why = records->explain(record.key);
  CHECK(why.not_used == said);
  REQUIRE(said.size() == 1);
  for (const char* part : {"/folder/x.json", "0123456789abcdef0123456789abcdef", "run 'gumtile tune' again"})
    CHECK_MESSAGE(said[0].find(part) != std::string::npos, part);
}

TEST_CASE("a search adds to the file that gumtile 0.1 left, and leaves one with the class") {
  const MeasuredHead head = head_of(128256, 8192);
  const Program program = program_of(head);
  const TuningRecord record = record_of(tuning_key(h100(), program, problem_of(head, 1)));
  const std::string old_name = "nvidia-h100-80gb-hbm3-128256x8192-b1-7ad0a80a4f84e467.json";
  const TemporaryFolder folder;
  const fs::path old = folder.path() / old_name;
  write_file(old, text_of_0_1(record, digest(program)));
  CHECK(known_tuning(folder.path(), record) == record);

  TuningRecord other = record;  // another compiler, and less thorough: it does not choose
  other.compiler = "LLVM 23";
  other.candidates.resize(1);
  other.winner = kHeuristic;
  const SavedTuning beside = save_tuning_record(folder.path(), other);
  CHECK_FALSE(beside.chooses);
  CHECK(fs::exists(old));
  CHECK(TuningRecords::load(folder.path())->find(record.key)->rule.ends_with(old_name));

  TuningRecord found = record;
  found.candidates.resize(2);
  found.candidates.push_back({"simt:b8,v256,k32", 350, 349, 351, ""});
  const SavedTuning saved = save_tuning_record(folder.path(), found);
  CHECK(saved.chooses);
  CHECK(saved.path.filename() == tuning_file_name(record.key));
  CHECK(saved.record.candidates.size() == 4);
  CHECK(saved.record.winner == record.winner);
  CHECK(read_file(saved.path).find(record.key.workload.str()) != std::string::npos);
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("what gumtile 0.1 left of an interrupted search is gone on with") {
  const MeasuredHead head = head_of(128256, 8192);
  const Program program = program_of(head);
  TuningRecord record = record_of(tuning_key(h100(), program, problem_of(head, 1)));
  record.complete = false;
  record.winner.clear();
  const TemporaryFolder folder;
  write_file(folder.path() / "nvidia-h100-80gb-hbm3-128256x8192-b1-7ad0a80a4f84e467.json.partial",
             text_of_0_1(record, digest(program)));
  CHECK(known_tuning(folder.path(), record) == record);
  const SavedTuning saved = save_tuning_record(folder.path(), record_of(record.key));
  CHECK(saved.chooses);
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}
