// What gumtile_head_validate checks beyond addresses: indices in the CPU's memory, and missing seeds.
#include <doctest/doctest.h>

#include <limits>

#include "tests/capi/fixture.h"

namespace gumtile::test {
namespace {

constexpr std::int32_t kFar = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kRows = 6;

using Words = std::vector<std::int32_t>;

/// A launch of kRows rows with arrays of indices.
class Indexed {
 public:
  Indexed() : batch(prepared.batch(kRows)) { prepared.init(batch); }

  /// The faults of `args` with `slots` slots; empty if there is none.
  std::string faults(const embed::SampleArgs& args, std::int64_t slots = 0) const {
    const gumtile_status status = gumtile_head_validate(prepared.head.get(), &args, slots);
    if (status == GUMTILE_OK) return {};
    CHECK(status == GUMTILE_INVALID_ARGUMENT);
    return gumtile_last_error();
  }

  Prepared prepared{kRows};
  Batch batch;
};

bool on_cpu() { return std::string(test_device()) == "cpu"; }

TEST_CASE("slots beyond the arrays over slots are found on the CPU") {
  if (!on_cpu()) return;
  Indexed launch;
  embed::SampleArgs args = launch.batch.args;
  Words slots = {0, 1, 5, -1, 2, 3};
  args.row_slot = slots.data();
  CHECK(launch.faults(args).empty());
  CHECK(launch.faults(args, 6).empty());
  slots[4] = 6;
  CHECK(has(launch.faults(args), "row_slot: row 4 names slot 6, but there are 6 slots"));
  slots[4] = kFar;
  CHECK(has(launch.faults(args), "row_slot: row 4 names slot 2147483647"));

  // Rows that are left out refer to nothing, and without arrays over slots nothing is referred to.
  const std::int32_t counted = 4;
  args.num_rows = &counted;
  CHECK(launch.faults(args).empty());
  args.num_rows = nullptr;
  args.temperature = nullptr;
  args.seed = nullptr;
  CHECK(launch.faults(args).empty());
}

TEST_CASE("a count of rows outside of the launch is found on the CPU") {
  if (!on_cpu()) return;
  Indexed launch;
  embed::SampleArgs args = launch.batch.args;
  std::int32_t counted = 0;
  args.num_rows = &counted;
  for (const std::int32_t good : {0, 3, 6}) {
    counted = good;
    CHECK(launch.faults(args).empty());
  }
  for (const std::int32_t bad : {-1, 7, kFar}) {
    counted = bad;
    CHECK(has(launch.faults(args), "num_rows: 0 to 6, the rows of the launch, is expected, not "));
  }
}

TEST_CASE("indices into memory that is not there are found on the CPU") {
  if (!on_cpu()) return;
  Indexed launch;
  embed::SampleArgs args = launch.batch.args;
  Words index = {0, 5, -1, 3, 3, 0};
  args.hidden_index = index.data();
  CHECK(launch.faults(args).empty());
  index[2] = kFar;
  CHECK(has(launch.faults(args),
            "hidden_index: row 2 names row 2147483647 of hidden_states: there is no memory"));
  // Also for rows that are left out: their hidden states are read.
  const std::int32_t counted = 1;
  args.num_rows = &counted;
  CHECK(has(launch.faults(args), "hidden_index: row 2"));

  args = launch.batch.args;
  Words position = {5, 4, -1, 2, 1, 0};
  args.token_position = position.data();
  CHECK(launch.faults(args).empty());
  args.hidden_row_stride = std::int64_t{1} << 44;  // rows that cannot all be in memory
  CHECK(has(launch.faults(args), "hidden_states: there is no memory at some of the "));
}

TEST_CASE("addresses that are not memory are found on the CPU") {
  if (!on_cpu()) return;
  Indexed launch;
  embed::SampleArgs args = launch.batch.args;
  args.temperature = reinterpret_cast<const float*>(64);
  args.token = reinterpret_cast<void*>(std::uintptr_t{1} << 60);
  const std::string faults = launch.faults(args);
  CHECK(has(faults, "temperature: there is no memory at some of the 24 bytes"));
  CHECK(has(faults, "token: there is no memory at some of the 24 bytes"));
}

struct Said {
  std::vector<std::string> warnings;
  static void log(void* user, int level, const char* message) {
    if (level == GUMTILE_LOG_WARNING) static_cast<Said*>(user)->warnings.emplace_back(message);
  }
};

TEST_CASE("null seeds are said once for each head") {
  Said said;
  embed::EngineOptions options = engine_options();
  options.log = Said::log;
  options.log_user = &said;
  Prepared prepared(kRows, {0, GUMTILE_FEATURE_LOGPROB}, options);
  Batch batch = prepared.batch(kRows);
  prepared.init(batch);
  const auto count = [&] {
    std::size_t found = 0;
    for (const std::string& warning : said.warnings) found += has(warning, "seed is null") ? 1U : 0U;
    return found;
  };
  embed::SampleArgs args = batch.args;
  prepared.head.validate(args);
  CHECK(count() == 0);
  args.seed = nullptr;
  if (on_cpu()) {  // elsewhere temperatures are not checked
    batch.temperature.write(std::vector<float>(kRows, 0.0F));
    prepared.head.validate(args);
    CHECK(count() == 0);
  }
  batch.temperature.write(std::vector<float>(kRows, 1.0F));
  CHECK(gumtile_head_validate(prepared.head.get(), &args, 0) == GUMTILE_OK);
  CHECK(has(gumtile_last_error(), "seed is null, so every row draws with seed 0"));
  CHECK(count() == 1);
  args.temperature = nullptr;  // 1
  CHECK(gumtile_head_validate(prepared.head.get(), &args, 0) == GUMTILE_OK);
  CHECK(count() == 1);

  embed::Head other(prepared.engine, head_options(prepared.weights.data()));
  other.prepare(kRows);
  other.validate(args);
  CHECK(count() == 2);
}

TEST_CASE("null seeds are seeds of zero") {
  Prepared prepared(kRows);
  Batch batch = prepared.batch(kRows);
  prepared.init(batch);
  batch.seed.write(std::vector<std::uint64_t>(kRows, 0));
  const Words with_zeros = batch.sample(prepared.engine, prepared.head);
  batch.args.seed = nullptr;
  CHECK(batch.sample(prepared.engine, prepared.head) == with_zeros);
}

}  // namespace
}  // namespace gumtile::test
