// Tuning records in packs: a pack includes the records of all devices, and engines on such a device use them.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "gumtile/compiler.h"
#include "gumtile/jit.h"
#include "gumtile/pack.h"
#include "gumtile/tuning.h"
#include "tests/old_record.h"
#include "tests/pack_fixture.h"

using namespace gumtile;
using namespace gumtile::test;

namespace {

/// A record of `card` that chooses `schedule`, which is not the built-in choice.
TuningRecord record_for(const DeviceDescription& card, const Program& program, const Problem& problem,
                        const Schedule& schedule) {
  const Schedule heuristic =
      default_schedule(program, problem, card.target, {card.workers, card.memory_bytes_per_second});
  REQUIRE(schedule != heuristic);
  TuningRecord record;
  record.key = tuning_key(card, program, problem);
  record.winner = schedule.str();
  record.heuristic = heuristic.str();
  record.candidates = {{heuristic.str(), 20, 19, 21, ""}, {record.winner, 10, 9, 11, ""}};
  record.gumtile_version = "0.1.0";
  record.compiler = "LLVM 22";
  record.date = "2026-01-02T03:04:05Z";
  return record;
}

/// The pack of a request, with the records that belong to it.
std::string pack_with_records(const PackRequest& request) {
  PackWriter writer(request, "test");
  for (const PackPlan& plan : plan_pack(request)) writer.add(plan, compile(plan.plan));
  for (const std::string& each : pack_tuning_records(request)) writer.add_tuning_record(each);
  return writer.bytes();
}

}  // namespace

TEST_CASE(
    "a pack takes tuning records along, of cards that nobody knew, and engines on those cards use them") {
  PackRequest request = host_request();
  request.targets = {Target::parse("sm_90a")};
  request.feature_sets = {kNoFeatures};
  request.max_rows = 4;
  const DeviceDescription card{"NVIDIA Unheard-of", "cuda:0", request.targets[0], 99, size_t{1} << 36, 9e12};
  const Program program = lm_head_program(request.head, kNoFeatures);
  const Problem problem{kPackVocab, kPackHidden, 4, 16, 0};
  WgmmaSchedule faster = std::get<WgmmaSchedule>(
      default_schedule(program, problem, card.target, {card.workers, card.memory_bytes_per_second}).family);
  faster.stages -= 1;
  const TuningRecord record = record_for(card, program, problem, Schedule{faster});
  const std::string text = tuning_record_text(record);
  const TuningRecordText mine[] = {{"mine.json", text}};
  request.tuning = TuningRecords::from_texts(mine, {});

  CHECK(pack_tuning_records(request) == std::vector<std::string>{text});
  const TestFile file(pack_with_records(request));
  const std::shared_ptr<Pack> pack = open_pack(file.path());
  CHECK_NOTHROW(pack->get(make_plan(program, problem, Schedule{faster}, card.target)));

  const auto records = load_tuning({pack}, "/nonexistent");
  const auto found = records->find(record.key);
  REQUIRE(found.has_value());
  CHECK(found->schedule == Schedule{faster});
  CHECK(found->rule == "pack record " + pack->hash());
  DeviceDescription other = card;
  other.name = "NVIDIA H200";
  CHECK_FALSE(records->find(tuning_key(other, program, problem)).has_value());
}

TEST_CASE("what was tuned on a CPU is in every host variant, and an engine on that CPU uses it") {
  if (runnable_host_targets().empty()) return;
  PackRequest request = host_request();
  request.feature_sets = {feature_logprob};
  request.max_rows = 4;
  const DeviceDescription cpu = Engine::open("cpu", nullptr)->device();
  const Program program = lm_head_program(request.head, feature_logprob);
  const Problem problem{kPackVocab, kPackHidden, 4, 16, 0};
  const Schedule tuned = Schedule::parse("host:b2,v512");
  const TuningRecord record = record_for(cpu, program, problem, tuned);
  const std::string text = tuning_record_text(record);
  const TuningRecordText mine[] = {{"mine.json", text}};
  request.tuning = TuningRecords::from_texts(mine, {});

  CHECK(pack_tuning_records(request) == std::vector<std::string>{text});
  for (const Target& variant : host_pack_targets()) {
    int found = 0;
    for (const PackPlan& plan : plan_pack(request))
      found += plan.plan.target == variant && plan.plan.schedule == tuned ? 1 : 0;
    CHECK(found == 1);
  }
  const TestFile file(pack_with_records(request));
  const std::shared_ptr<Pack> pack = open_pack(file.path());
  const std::vector<uint16_t> weights(static_cast<size_t>(kPackVocab * kPackHidden), 0);
  const auto choice_with = [&](std::shared_ptr<const TuningRecords> records) {
    EngineOptions options;
    options.source = pack;
    options.tuning = std::move(records);
    LmHead head(Engine::open("cpu", options), request.head, weights.data());
    head.prepare(4, {feature_logprob});
    return head.choices().back();
  };
  CHECK(choice_with(load_tuning({pack}, "/nonexistent")).schedule == "host:b2,v512");
  CHECK(choice_with(load_tuning({pack}, "/nonexistent")).rule == "pack record " + pack->hash());
  CHECK(choice_with(nullptr).schedule == record.heuristic);  // which is also there
  CHECK(choice_with(nullptr).note.empty());
}

TEST_CASE("a pack that gumtile 0.1 made brings its records along") {
  if (runnable_host_targets().empty()) return;
  PackRequest request = host_request();
  request.feature_sets = {feature_logprob};
  request.max_rows = 4;
  const DeviceDescription cpu = Engine::open("cpu", nullptr)->device();
  const Program program = lm_head_program(request.head, feature_logprob);
  const Problem problem{kPackVocab, kPackHidden, 4, 16, 0};
  const Schedule tuned = Schedule::parse("host:b2,v512");
  const TuningRecord record = record_for(cpu, program, problem, tuned);
  PackWriter writer(request, "test");
  for (const PackPlan& plan : plan_pack(request)) writer.add(plan, compile(plan.plan));
  writer.add_tuning_record(text_of_0_1(record, digest(program)));
  writer.add_tuning_record(text_of_0_1(record, "0123456789abcdef0123456789abcdef"));
  const TestFile file(writer.bytes());
  const std::shared_ptr<Pack> pack = open_pack(file.path());
  std::string said;
  const auto records =
      load_tuning({pack}, "/nonexistent", [&](LogLevel, std::string_view message) { said += message; });
  REQUIRE(records->find(record.key));
  CHECK(records->find(record.key)->schedule == tuned);
  CHECK(records->find(record.key)->rule == "pack record " + pack->hash());
  CHECK(said.find("0123456789abcdef0123456789abcdef") != std::string::npos);
}

TEST_CASE("heads without a record take that of the nearest class, in packs as well, and say so") {
  if (runnable_host_targets().empty()) return;
  PackRequest request = host_request();  // with and without log-probabilities
  request.max_rows = 4;
  const DeviceDescription cpu = Engine::open("cpu", nullptr)->device();
  const Program program = lm_head_program(request.head, feature_logprob);
  const Problem problem{kPackVocab, kPackHidden, 4, 16, 0};
  const Schedule tuned = Schedule::parse("host:b2,v512");
  const TuningRecord record = record_for(cpu, program, problem, tuned);
  const std::string text = tuning_record_text(record);
  const TuningRecordText mine[] = {{"mine.json", text}};
  request.tuning = TuningRecords::from_texts(mine, {});
  CHECK(pack_tuning_records(request) == std::vector<std::string>{text});
  const TestFile file(pack_with_records(request));
  const std::shared_ptr<Pack> pack = open_pack(file.path());
  EngineOptions options;
  options.source = pack;
  options.tuning = load_tuning({pack}, "/nonexistent");
  const std::vector<uint16_t> weights(static_cast<size_t>(kPackVocab * kPackHidden), 0);
  LmHead head(Engine::open("cpu", options), request.head, weights.data());
  head.prepare(4, {kNoFeatures, feature_logprob});
  for (const KernelChoice& choice : head.choices()) {
    if (choice.max_rows != 4) continue;
    CHECK(choice.schedule == "host:b2,v512");
    CHECK(choice.note.empty());
    std::string rule = "pack record " + pack->hash();
    if (choice.features == kNoFeatures)
      rule +=
          ", of the nearest class (join=packed here, records there; words=3 here, 6 there; "
          "transcendental=19 here, 35 there)";
    CHECK(choice.rule == rule);
  }
}

TEST_CASE("a record that cannot be used is named in the note of the choice") {
  const DeviceDescription cpu = Engine::open("cpu", nullptr)->device();
  LmHeadOptions options;
  options.vocab_size = kPackVocab;
  options.hidden_size = kPackHidden;
  const Problem problem{kPackVocab, kPackHidden, 4, 16, 0};
  TuningRecord record = record_for(cpu, lm_head_program(options, feature_logprob), problem,
                                   Schedule::parse("simt:b8,v256,k32"));
  const std::string text = tuning_record_text(record);
  const TuningRecordText mine[] = {{"mine.json", text}};
  EngineOptions engine;
  engine.source = make_jit();
  engine.tuning = TuningRecords::from_texts(mine, {});
  const std::vector<uint16_t> weights(static_cast<size_t>(kPackVocab * kPackHidden), 0);
  LmHead head(Engine::open("cpu", engine), options, weights.data());
  head.prepare(4, {kNoFeatures});
  const KernelChoice choice = head.choices().back();
  CHECK(choice.rule == "built-in heuristic");
  CHECK(choice.note.starts_with("user record mine.json, of another class (join=packed here, records there"));
  CHECK(choice.note.find("is of another family than the built-in choice 'host:") != std::string::npos);
}
