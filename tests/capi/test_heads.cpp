// Heads behind the C interface: what is prepared, what a launch refuses, what it does not touch.
#include <doctest/doctest.h>

#include <set>
#include <thread>

#include "tests/capi/fixture.h"

namespace gumtile::test {
namespace {

using Tokens = std::vector<std::int32_t>;

TEST_CASE("features that are not asked for change no token") {
  Prepared both(20);
  Prepared with(20, {GUMTILE_FEATURE_LOGPROB});
  Prepared without(20, {0});
  Batch batch = both.batch(20);
  both.init(batch);
  const Tokens tokens = batch.sample(both.engine, both.head);
  for (const float logprob : batch.logprob.read()) CHECK(logprob < 0);
  CHECK(batch.any_status.read().front() == 0);
  CHECK(std::set<std::int32_t>(tokens.begin(), tokens.end()).size() > 10);
  batch.args.logprob = nullptr;
  CHECK(batch.sample(both.engine, both.head) == tokens);

  Batch superset = with.batch(20);
  with.init(superset);
  superset.args.logprob = nullptr;
  CHECK(superset.sample(with.engine, with.head) == tokens);
  for (const float logprob : superset.logprob.read()) CHECK(logprob == 7.0F);

  // What is not prepared is refused, and nothing is touched.
  Batch missing = without.batch(20);
  without.init(missing);
  CHECK(without.head.sample(nullptr, missing.args) == GUMTILE_NOT_PREPARED);
  CHECK(has(gumtile_last_error(), "gumtile_head_prepare"));
  without.engine.synchronize();
  CHECK(missing.token.read() == Tokens(20, Batch::kUntouched));
  CHECK(missing.status.read().front() == 77);
  missing.args.logprob = nullptr;
  CHECK(missing.sample(without.engine, without.head) == tokens);
}

TEST_CASE("a launch that cannot be is refused by its status") {
  Prepared prepared(6);
  Batch batch = prepared.batch(6);
  prepared.init(batch);
  const auto status = [&](auto change) {
    embed::SampleArgs args = batch.args;
    change(args);
    return prepared.head.sample(nullptr, args);
  };
  CHECK(status([](auto& a) { a.rows = 9; }) == GUMTILE_TOO_MANY_ROWS);
  CHECK(status([](auto& a) { a.rows = -1; }) == GUMTILE_INVALID_ARGUMENT);
  CHECK(status([](auto& a) { a.rows = 0; }) == GUMTILE_OK);
  CHECK(status([](auto& a) { a.workspace_bytes -= 1; }) == GUMTILE_WORKSPACE_TOO_SMALL);
  CHECK(status([](auto& a) { a.workspace = nullptr; }) == GUMTILE_INVALID_ARGUMENT);
  CHECK(status([](auto& a) { a.workspace = static_cast<char*>(a.workspace) + 8; }) ==
        GUMTILE_INVALID_ARGUMENT);
  CHECK(status([](auto& a) { a.token = nullptr; }) == GUMTILE_INVALID_ARGUMENT);
  CHECK(status([](auto& a) { a.token = static_cast<char*>(a.token) + 2; }) == GUMTILE_INVALID_ARGUMENT);
  CHECK(status([](auto& a) { a.hidden_states = nullptr; }) == GUMTILE_INVALID_ARGUMENT);
  CHECK(status([](auto& a) { a.hidden_states = static_cast<const char*>(a.hidden_states) + 1; }) ==
        GUMTILE_INVALID_ARGUMENT);
  CHECK(status([](auto& a) { a.hidden_row_stride = kHidden - 1; }) == GUMTILE_INVALID_ARGUMENT);
  CHECK(status([](auto& a) {
          a.seed = reinterpret_cast<const std::uint64_t*>(reinterpret_cast<const char*>(a.seed) + 4);
        }) == GUMTILE_INVALID_ARGUMENT);
  prepared.engine.synchronize();
  CHECK(batch.token.read() == Tokens(6, Batch::kUntouched));
  // A launch of fewer rows may use a part of the arrays.
  CHECK(status([](auto& a) { a.rows = 1; }) == GUMTILE_OK);
}

TEST_CASE("validate names every fault") {
  Prepared prepared(6);
  Batch batch = prepared.batch(6);
  CHECK(gumtile_head_validate(prepared.head.get(), &batch.args, 0) == GUMTILE_OK);
  CHECK(gumtile_head_validate(prepared.head.get(), &batch.args, 6) == GUMTILE_OK);
  const auto words = [&](auto change) {
    embed::SampleArgs args = batch.args;
    change(args);
    const gumtile_status status = gumtile_head_validate(prepared.head.get(), &args, 0);
    CHECK(status == GUMTILE_INVALID_ARGUMENT);
    return std::string(gumtile_last_error());
  };
  CHECK(has(words([](auto& a) { a.rows = -2; }), "rows is -2"));
  CHECK(has(words([](auto& a) { a.rows = 7000; }), "7000 rows"));
  const std::string many = words([](auto& a) {
    a.hidden_states = nullptr;
    a.token = static_cast<char*>(a.token) + 2;
    a.workspace_bytes = 1;
    a.hidden_row_stride = 3;
  });
  CHECK(has(many, "hidden_states: the address is null"));
  CHECK(has(many, "token: "));
  CHECK(has(many, "is not a multiple of 4 bytes"));
  CHECK(has(many, "the workspace has 1 bytes"));
  CHECK(has(many, "hidden_row_stride is 3"));
  CHECK(status_of([&] {
          embed::SampleArgs args = batch.args;
          args.workspace = nullptr;
          prepared.head.validate(args);
        }) == GUMTILE_INVALID_ARGUMENT);
}

TEST_CASE("before it is prepared a head does nothing") {
  embed::Engine engine(engine_options());
  const Array<std::uint16_t> weights(engine, random_bf16(kVocab * kHidden, 42));
  embed::Head head(engine, head_options(weights.data()));
  Batch batch(engine, 1, 256);
  CHECK(head.sample(nullptr, batch.args) == GUMTILE_NOT_PREPARED);
  CHECK(gumtile_head_workspace_init(head.get(), nullptr, batch.args.workspace, 256) == GUMTILE_NOT_PREPARED);
  CHECK(head.choices().empty());
  std::string message;
  CHECK(status_of([&] { head.workspace_size(1); }, &message) == GUMTILE_USAGE);
  CHECK(has(message, "call prepare(1) first"));
  CHECK(status_of([&] { head.prepare(0); }) == GUMTILE_USAGE);
  CHECK(status_of([&] { head.prepare(1, {}); }) == GUMTILE_USAGE);
  CHECK(status_of([&] { head.prepare(1, {0x40000000}); }) == GUMTILE_USAGE);
}

TEST_CASE("preparing tells of progress and can be cancelled, which costs nothing that was prepared") {
  Prepared prepared(4, {GUMTILE_FEATURE_LOGPROB});
  Batch batch = prepared.batch(4);
  prepared.init(batch);
  const Tokens tokens = batch.sample(prepared.engine, prepared.head);
  const std::size_t bytes = prepared.head.workspace_size(4);
  const std::size_t choices = prepared.head.choices().size();

  int calls = 0;
  const auto cancel = [&](int done, int total) {
    ++calls;
    CHECK(done >= 1);
    CHECK(done <= total);
    return false;
  };
  std::string message;
  CHECK(status_of([&] { prepared.head.prepare(300, {0}, cancel, 1); }, &message) == GUMTILE_CANCELLED);
  CHECK(has(message, "cancelled"));
  CHECK(calls == 1);
  CHECK(prepared.head.choices().size() == choices);
  CHECK(prepared.head.workspace_size(4) == bytes);
  CHECK(status_of([&] { prepared.head.workspace_size(5); }) == GUMTILE_USAGE);
  CHECK(batch.sample(prepared.engine, prepared.head) == tokens);
  batch.args.logprob = nullptr;
  CHECK(batch.sample(prepared.engine, prepared.head) == tokens);

  // A later call does not prepare what was cancelled unless it names it.
  prepared.head.prepare(4, {GUMTILE_FEATURE_LOGPROB});
  CHECK(prepared.head.choices().size() == choices);

  int last = 0;
  int announced = 0;
  prepared.head.prepare(8, {0}, [&](int done, int total) {
    CHECK(done > last);
    last = done;
    announced = total;
    return true;
  });
  CHECK(last == announced);
  CHECK(batch.sample(prepared.engine, prepared.head) == tokens);
}

TEST_CASE("a head's bias, softcap and scale, and another bias in its place") {
  Prepared plain(3);
  std::vector<float> values(kVocab, 0.0F);
  values[42] = 100;
  Array<float> first(plain.engine, values);
  values[42] = 0;
  values[499] = 100;
  Array<float> second(plain.engine, values);
  embed::HeadOptions options = head_options(plain.weights.data());
  options.bias = first.data();
  options.bias_dtype = GUMTILE_F32;
  options.softcap = 50;
  options.logit_scale = 2;
  embed::Head head(plain.engine, options);
  head.prepare(3);
  Batch batch(plain.engine, 3, head.workspace_size(3));
  head.workspace_init(nullptr, batch.args.workspace, batch.args.workspace_bytes);
  CHECK(batch.sample(plain.engine, head) == Tokens(3, 42));
  head.set_array("bias", second.data());
  CHECK(batch.sample(plain.engine, head) == Tokens(3, 499));
  std::string message;
  CHECK(status_of([&] { head.set_array("bais", second.data()); }, &message) == GUMTILE_USAGE);
  CHECK(has(message, "bias"));
  CHECK(status_of([&] { head.set_array("bias", nullptr); }) == GUMTILE_USAGE);
  CHECK(status_of([&] { plain.head.set_array("bias", second.data()); }, &message) == GUMTILE_USAGE);
  CHECK(has(message, "without"));
  CHECK(gumtile_head_set_array(head.get(), nullptr, second.data()) == GUMTILE_USAGE);
  CHECK(gumtile_head_set_array(nullptr, "bias", second.data()) == GUMTILE_USAGE);
  options.softcap = -1;
  CHECK(status_of([&] { embed::Head(plain.engine, options); }, &message) == GUMTILE_USAGE);
  CHECK(has(message, "softcap"));
}

TEST_CASE("weights can move, but on a GPU not to less alignment") {
  Prepared prepared(3);
  Batch batch = prepared.batch(3);
  prepared.init(batch);
  const Tokens before = batch.sample(prepared.engine, prepared.head);
  Array<std::uint16_t> others(prepared.engine, random_bf16(kVocab * kHidden + 1, 4711));
  const auto compiles = prepared.engine.stats().compiles;
  prepared.head.set_weights(others.data());
  const Tokens after = batch.sample(prepared.engine, prepared.head);
  CHECK(after != before);
  CHECK(prepared.engine.stats().compiles == compiles);

  std::string message;
  if (prepared.engine.device().is_gpu != 0) {
    CHECK(status_of([&] { prepared.head.set_weights(others.data() + 1); }, &message) == GUMTILE_USAGE);
    CHECK(has(message, "aligned to 2 bytes"));
  } else {
    // Weights in a mapped file may have any address: the same values elsewhere give the same tokens.
    std::vector<std::uint16_t> shifted = random_bf16(kVocab * kHidden, 4711);
    shifted.insert(shifted.begin(), 0);
    const Array<std::uint16_t> anywhere(prepared.engine, shifted);
    prepared.head.set_weights(anywhere.data() + 1);
    CHECK(batch.sample(prepared.engine, prepared.head) == after);
    prepared.head.set_weights(others.data());
  }
  const auto* const odd = reinterpret_cast<const char*>(others.data()) + 1;
  CHECK(status_of([&] { prepared.head.set_weights(odd); }) == GUMTILE_USAGE);
  CHECK(status_of([&] { prepared.head.set_weights(nullptr); }) == GUMTILE_USAGE);
  CHECK(status_of([&] { prepared.head.set_weights(others.data(), kHidden - 1); }) == GUMTILE_USAGE);
  CHECK(batch.sample(prepared.engine, prepared.head) == after);  // refusals change nothing
  prepared.head.set_weights(prepared.weights.data());
  CHECK(batch.sample(prepared.engine, prepared.head) == before);
  // Bytes that change in place count from the next launch on.
  prepared.weights.write(random_bf16(kVocab * kHidden, 4711));
  CHECK(batch.sample(prepared.engine, prepared.head) == after);
}

TEST_CASE("kernels of a cancelled call keep what they rely on") {
  embed::Engine engine(engine_options());
  const Array<std::uint16_t> weights(engine, random_bf16(kVocab * kHidden + 1, 42));
  embed::Head head(engine, head_options(weights.data()));
  head.set_weights(weights.data() + 1);  // nothing is prepared: any alignment will do
  head.set_weights(weights.data());
  const auto cancel = [](int, int) { return false; };
  CHECK(status_of([&] { head.prepare(300, {0, 1}, cancel, 1); }) == GUMTILE_CANCELLED);
  if (engine.device().is_gpu != 0)
    CHECK(status_of([&] { head.set_weights(weights.data() + 1); }) == GUMTILE_USAGE);
  CHECK(status_of([&] { head.workspace_size(1); }) == GUMTILE_USAGE);
  head.prepare(1);
  CHECK(head.workspace_size(1) > 0);
}

TEST_CASE("two heads of one engine share their kernels, and a head outlives its engine's handle") {
  auto engine = std::make_unique<embed::Engine>(engine_options());
  const Array<std::uint16_t> weights(*engine, random_bf16(kVocab * kHidden, 42));
  auto one = std::make_unique<embed::Head>(*engine, head_options(weights.data()));
  one->prepare(4);
  const embed::EngineStats first = engine->stats();
  CHECK(first.compiles >= 1);
  CHECK(first.loads == first.compiles);
  CHECK(first.shared == 0);
  CHECK(first.compile_ms > 0);
  CHECK(first.load_ms > 0);
  CHECK(first.allocated_bytes >= weights.bytes());
  embed::Head two(*engine, head_options(weights.data()));
  two.prepare(4);
  const embed::EngineStats second = engine->stats();
  CHECK(second.compiles == first.compiles);
  CHECK(second.loads == first.loads);
  CHECK(second.shared >= 1);
  one.reset();

  // Another handle for the arrays: the engine's own is closed before the head.
  embed::Engine arrays(engine_options());
  Batch batch(arrays, 4, two.workspace_size(4));
  two.workspace_init(nullptr, batch.args.workspace, batch.args.workspace_bytes);
  gumtile_engine* alone = nullptr;
  const embed::EngineOptions options = engine_options();
  REQUIRE(gumtile_engine_open(&options, &alone) == GUMTILE_OK);
  gumtile_head* head = nullptr;
  const embed::HeadOptions wanted = head_options(weights.data());
  REQUIRE(gumtile_head_create(alone, &wanted, &head) == GUMTILE_OK);
  gumtile_engine_close(alone);
  gumtile_prepare_options prepare = GUMTILE_PREPARE_OPTIONS_INIT;
  prepare.max_rows = 4;
  CHECK(gumtile_head_prepare(head, &prepare) == GUMTILE_OK);
  CHECK(gumtile_head_sample(head, nullptr, &batch.args) == GUMTILE_OK);
  arrays.synchronize();
  const Tokens tokens = batch.token.read();
  gumtile_head_destroy(head);
  CHECK(batch.sample(arrays, two) == tokens);
}

TEST_CASE("choices tell the schedule and who chose it") {
  Prepared prepared(9);
  const std::vector<embed::KernelChoice> choices = prepared.head.choices();
  CHECK(choices.size() == 8);  // buckets 1, 4, 8, 16 for two feature sets
  for (const embed::KernelChoice& choice : choices) {
    CHECK(std::string(choice.rule) == "built-in heuristic");
    CHECK(choice.note != nullptr);
    CHECK(!std::string(choice.schedule).empty());
  }
  CHECK(choices.front().max_rows == 1);
  CHECK(choices.back().max_rows == 16);
  embed::KernelChoice beyond;
  CHECK(gumtile_head_get_choice(prepared.head.get(), choices.size(), &beyond) == GUMTILE_USAGE);
  CHECK(has(gumtile_last_error(), "there are 8"));

  const std::string schedule = choices.back().schedule;
  embed::HeadOptions options = head_options(prepared.weights.data());
  options.schedule = schedule.c_str();
  embed::Head head(prepared.engine, options);
  head.prepare(1);
  CHECK(std::string(head.choices().front().rule) == "option");
  CHECK(head.choices().front().schedule == schedule);
  options.schedule = "no schedule";
  CHECK(status_of([&] { embed::Head(prepared.engine, options); }) != GUMTILE_OK);
}

TEST_CASE("slots, rows that are left out, and a count of rows in memory") {
  Prepared prepared(8);
  Batch batch = prepared.batch(8);
  prepared.init(batch);
  const Tokens all = batch.sample(prepared.engine, prepared.head);

  // Row r takes the slot 7 - r: with the parameters reversed, the tokens are the same.
  Tokens slots(8);
  std::vector<float> temperatures = batch.temperature.read();
  std::vector<std::uint64_t> seeds = batch.seed.read();
  for (std::size_t row = 0; row < 8; ++row) slots[row] = static_cast<std::int32_t>(7 - row);
  batch.temperature.write({temperatures.rbegin(), temperatures.rend()});
  batch.seed.write({seeds.rbegin(), seeds.rend()});
  Array<std::int32_t> row_slot(prepared.engine, slots);
  batch.args.row_slot = row_slot.data();
  CHECK(batch.sample(prepared.engine, prepared.head) == all);

  slots[2] = slots[5] = -1;
  row_slot.write(slots);
  const Array<std::int32_t> num_rows(prepared.engine, 1, 6);
  batch.args.num_rows = num_rows.data();
  batch.token.write(Tokens(8, Batch::kUntouched));
  const Tokens some = batch.sample(prepared.engine, prepared.head);
  for (std::size_t row = 0; row < 8; ++row) {
    CAPTURE(row);
    CHECK(some[row] == (row == 2 || row == 5 || row >= 6 ? Batch::kUntouched : all[row]));
  }
}

TEST_CASE("hidden states are gathered, and tokens of 64 bits scattered") {
  Prepared prepared(4);
  Batch batch = prepared.batch(4);
  prepared.init(batch);
  const Tokens expected = batch.sample(prepared.engine, prepared.head);

  embed::HeadOptions options = head_options(prepared.weights.data());
  options.token_dtype = GUMTILE_I64;
  embed::Head wide(prepared.engine, options);
  wide.prepare(4, {0});
  // The same rows, in reverse order in memory; the tokens go to every other place, except one that goes
  // nowhere.
  const std::vector<std::uint16_t> rows = batch.hidden.read();
  std::vector<std::uint16_t> reversed;
  for (std::size_t row = 4; row-- > 0;)
    reversed.insert(reversed.end(), rows.begin() + static_cast<std::ptrdiff_t>(row * kHidden),
                    rows.begin() + static_cast<std::ptrdiff_t>((row + 1) * kHidden));
  batch.hidden.write(reversed);
  const Array<std::int32_t> index(prepared.engine, std::vector<std::int32_t>{3, 2, 1, 0});
  const Array<std::int32_t> position(prepared.engine, std::vector<std::int32_t>{6, 4, -1, 0});
  const Array<std::int64_t> tokens(prepared.engine, 8, -1);
  const Array<char> workspace(prepared.engine, wide.workspace_size(4));
  embed::SampleArgs args = batch.args;
  args.logprob = nullptr;
  args.hidden_index = index.data();
  args.token_position = position.data();
  args.token = tokens.data();
  args.workspace = workspace.data();
  args.workspace_bytes = workspace.bytes();
  wide.workspace_init(nullptr, args.workspace, args.workspace_bytes);
  wide.validate(args);
  embed::check(wide.sample(nullptr, args));
  prepared.engine.synchronize();
  CHECK(tokens.read() ==
        std::vector<std::int64_t>{expected[3], -1, -1, -1, expected[1], -1, expected[0], -1});
}

TEST_CASE("a failed row says so, and takes the token it is told to") {
  Prepared prepared(2);
  Batch batch = prepared.batch(2);
  prepared.init(batch);
  batch.temperature.write({1.0F, -1.0F});
  const Array<std::int32_t> invalid(prepared.engine, 1, -5);
  batch.args.invalid_token = invalid.data();
  const Tokens tokens = batch.sample(prepared.engine, prepared.head);
  CHECK(tokens[0] >= 0);
  CHECK(tokens[1] == -5);
  CHECK(batch.status.read()[1] == GUMTILE_STATUS_BAD_TEMPERATURE);
  CHECK(batch.any_status.read()[0] == GUMTILE_STATUS_BAD_TEMPERATURE);
}

TEST_CASE("many threads launch at once, each with a workspace of its own") {
  Prepared prepared(16);
  constexpr int kThreads = 6;
  std::vector<Tokens> expected(kThreads);
  std::vector<std::unique_ptr<Batch>> batches;
  for (int i = 0; i < kThreads; ++i) {
    batches.push_back(std::make_unique<Batch>(
        prepared.engine, 1 + 3 * i, prepared.head.workspace_size(1 + 3 * i), static_cast<std::uint32_t>(i)));
    prepared.init(*batches.back());
    expected[static_cast<std::size_t>(i)] = batches.back()->sample(prepared.engine, prepared.head);
    batches.back()->token.write(Tokens(batches.back()->count, Batch::kUntouched));
  }
  std::vector<int> failures(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 50; ++repeat)
        if (prepared.head.sample(nullptr, batches[i]->args) != GUMTILE_OK) ++failures[i];
    });
  for (std::thread& thread : threads) thread.join();
  prepared.engine.synchronize();
  for (std::size_t i = 0; i < kThreads; ++i) {
    CHECK(failures[i] == 0);
    CHECK(batches[i]->token.read() == expected[i]);
  }
}

TEST_CASE("a launch on an uninitialised workspace neither faults nor hangs, and init makes it right") {
  constexpr std::int64_t kRows = 5;
  constexpr std::size_t kGuard = 64;
  Prepared prepared(300);
  for (const std::int64_t rows : {kRows, std::int64_t{300}})
    for (const bool logprob : {false, true})
      for (const int garbage : {0x01, 0xa5, 0xff}) {
        CAPTURE(rows);
        CAPTURE(logprob);
        CAPTURE(garbage);
        Batch batch = prepared.batch(rows);
        if (!logprob) batch.args.logprob = nullptr;
        prepared.init(batch);
        const Tokens expected = batch.sample(prepared.engine, prepared.head);

        // Memory behind the rows' tokens must not be written.
        const Array<std::int32_t> tokens(prepared.engine, batch.count + kGuard, Batch::kUntouched);
        batch.args.token = tokens.data();
        const std::vector<char> contents(batch.workspace.bytes(), static_cast<char>(garbage));
        batch.workspace.write(contents);
        CHECK(prepared.head.sample(nullptr, batch.args) == GUMTILE_OK);
        prepared.engine.synchronize();  // throws if the kernel faulted
        const Tokens written = tokens.read();
        for (std::size_t i = batch.count; i < written.size(); ++i) CHECK(written[i] == Batch::kUntouched);
        // A CPU's workspace is scratch: its contents do not matter.
        if (std::string(test_device()) == "cpu")
          CHECK(Tokens(written.begin(), written.begin() + rows) == expected);

        batch.args.token = batch.token.data();
        batch.workspace.write(contents);
        prepared.init(batch);
        for (int launch = 0; launch < 3; ++launch) {
          batch.token.write(Tokens(batch.count, Batch::kUntouched));
          CHECK(batch.sample(prepared.engine, prepared.head) == expected);
        }
      }
}

TEST_CASE("two heads in stream order on one workspace give the tokens that each gives alone") {
  constexpr std::int64_t kRows = 40;
  Prepared prepared(kRows);
  embed::HeadOptions options = head_options(nullptr);
  options.vocab_size = 3 * kVocab;
  options.noise = GUMTILE_NOISE_PER_TOKEN;
  const Array<std::uint16_t> weights(prepared.engine,
                                     random_bf16(static_cast<std::size_t>(options.vocab_size * kHidden), 7));
  options.weights = weights.data();
  embed::Head other(prepared.engine, options);
  other.prepare(kRows, {0, GUMTILE_FEATURE_LOGPROB});

  // Each with its own workspace, for each number of rows.
  const auto launch = [&](const embed::Head& head, Batch& batch, std::int64_t rows, bool logprob) {
    batch.args.rows = rows;
    batch.args.logprob = logprob ? batch.logprob.data() : nullptr;
    batch.token.write(Tokens(batch.count, Batch::kUntouched));
    return batch.sample(prepared.engine, head);
  };
  struct Launch {
    bool second;
    std::int64_t rows;
    bool logprob;
  };
  std::vector<Launch> launches;
  for (const std::int64_t rows : {std::int64_t{1}, std::int64_t{7}, kRows, std::int64_t{2}})
    for (const bool logprob : {true, false})
      for (const bool second : {false, true, true, false}) launches.push_back({second, rows, logprob});
  Batch alone = prepared.batch(kRows);
  Batch other_alone(prepared.engine, kRows, other.workspace_size(kRows));
  prepared.init(alone);
  other.workspace_init(nullptr, other_alone.args.workspace, other_alone.args.workspace_bytes);
  std::vector<Tokens> expected;
  for (const Launch& l : launches)
    expected.push_back(l.second ? launch(other, other_alone, l.rows, l.logprob)
                                : launch(prepared.head, alone, l.rows, l.logprob));

  Batch shared(prepared.engine, kRows, prepared.head.workspace_size(kRows) + other.workspace_size(kRows));
  prepared.init(shared);  // by either head: this initialises all of it
  for (std::size_t i = 0; i < launches.size(); ++i) {
    CAPTURE(i);
    const Launch& l = launches[i];
    CHECK(launch(l.second ? other : prepared.head, shared, l.rows, l.logprob) == expected[i]);
  }
  CHECK(expected[0] != expected[1]);

  // The same without waiting in between.
  std::vector<std::unique_ptr<Array<std::int32_t>>> tokens;
  for (const Launch& l : launches) {
    tokens.push_back(std::make_unique<Array<std::int32_t>>(prepared.engine, shared.count, Batch::kUntouched));
    embed::SampleArgs args = shared.args;
    args.rows = l.rows;
    args.logprob = l.logprob ? shared.logprob.data() : nullptr;
    args.token = tokens.back()->data();
    CHECK((l.second ? other : prepared.head).sample(nullptr, args) == GUMTILE_OK);
  }
  prepared.engine.synchronize();
  for (std::size_t i = 0; i < launches.size(); ++i) {
    CAPTURE(i);
    CHECK(tokens[i]->read() == expected[i]);
  }
}

}  // namespace
}  // namespace gumtile::test
