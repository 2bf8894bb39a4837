// Sizes of structs, null handles, names and texts of errors.
#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <thread>

#include "tests/capi/fixture.h"

namespace gumtile::test {
namespace {

/// A struct as a newer header would have it.
template <typename Struct>
struct Newer {
  Struct known;
  std::array<char, 24> added = {};
};

/// All possible sizes of a struct, through `call`, which takes the struct and returns its status.
template <typename Struct, typename Call>
void check_sizes(const Struct& good, gumtile_status refused, const Call& call) {
  Newer<Struct> newer{good};
  CHECK(call(&newer.known) == GUMTILE_OK);
  newer.known.struct_size = sizeof(newer);
  CHECK(call(&newer.known) == GUMTILE_OK);
  newer.added.back() = 1;
  CHECK(call(&newer.known) == refused);
  for (const std::size_t size :
       {std::size_t{0}, sizeof(std::size_t) - 1, ~std::size_t{0}, std::size_t{1} << 40}) {
    CAPTURE(size);
    Newer<Struct> wrong{good};
    wrong.known.struct_size = size;
    CHECK(call(&wrong.known) == refused);
  }
}

TEST_CASE("structs of older and newer headers are taken, and nothing else") {
  check_sizes(engine_options(), GUMTILE_USAGE, [](const gumtile_engine_options* options) {
    gumtile_engine* engine = nullptr;
    const gumtile_status status = gumtile_engine_open(options, &engine);
    CHECK((engine != nullptr) == (status == GUMTILE_OK));
    if (status == GUMTILE_USAGE) CHECK(has(gumtile_last_error(), "gumtile_engine_options: struct_size"));
    gumtile_engine_close(engine);
    return status;
  });
  Prepared prepared(2);
  check_sizes(head_options(prepared.weights.data()), GUMTILE_USAGE, [&](const gumtile_head_options* options) {
    gumtile_head* head = nullptr;
    const gumtile_status status = gumtile_head_create(prepared.engine.get(), options, &head);
    CHECK((head != nullptr) == (status == GUMTILE_OK));
    gumtile_head_destroy(head);
    return status;
  });
  const gumtile_prepare_options prepare = GUMTILE_PREPARE_OPTIONS_INIT;
  check_sizes(prepare, GUMTILE_USAGE, [&](const gumtile_prepare_options* options) {
    return gumtile_head_prepare(prepared.head.get(), options);
  });
  Batch batch = prepared.batch(2);
  prepared.init(batch);
  check_sizes(batch.args, GUMTILE_INVALID_ARGUMENT, [&](const gumtile_sample_args* args) {
    return gumtile_head_sample(prepared.head.get(), nullptr, args);
  });
  check_sizes(batch.args, GUMTILE_USAGE, [&](const gumtile_sample_args* args) {
    return gumtile_head_validate(prepared.head.get(), args, 0);
  });
}

TEST_CASE("fields behind an older struct's end are not read") {
  embed::EngineOptions options = engine_options();
  options.struct_size = offsetof(gumtile_engine_options, max_blocks);
  options.cpu_threads = -5;
  options.cache_folder = reinterpret_cast<const char*>(1);
  embed::Engine engine(options);

  const Array<std::uint16_t> weights(engine, random_bf16(kVocab * kHidden, 42));
  embed::HeadOptions wanted = head_options(weights.data());
  wanted.struct_size = offsetof(gumtile_head_options, weights_row_stride);
  wanted.weights_row_stride = -1;
  wanted.schedule = reinterpret_cast<const char*>(1);
  embed::Head head(engine, wanted);

  gumtile_prepare_options prepare = GUMTILE_PREPARE_OPTIONS_INIT;
  prepare.struct_size = offsetof(gumtile_prepare_options, feature_sets);
  prepare.feature_sets = reinterpret_cast<const std::uint32_t*>(1);
  prepare.feature_set_count = 9;
  prepare.progress = reinterpret_cast<gumtile_progress_fn>(1);
  CHECK(gumtile_head_prepare(head.get(), &prepare) == GUMTILE_OK);

  // A launch without the workspace's size has no workspace.
  Batch batch(engine, 1, head.workspace_size(1));
  batch.args.struct_size = offsetof(gumtile_sample_args, workspace_bytes);
  CHECK(head.sample(nullptr, batch.args) == GUMTILE_WORKSPACE_TOO_SMALL);
}

TEST_CASE("a struct that is filled is filled as far as it goes") {
  embed::Engine engine(engine_options());
  embed::DeviceInfo info;
  info.struct_size = offsetof(gumtile_device_info, target);
  info.workers = -3;
  CHECK(gumtile_engine_describe(engine.get(), &info) == GUMTILE_OK);
  CHECK(info.name != nullptr);
  CHECK(info.target == nullptr);
  CHECK(info.workers == -3);
  CHECK(info.struct_size == offsetof(gumtile_device_info, target));

  Newer<gumtile_engine_stats> stats{GUMTILE_ENGINE_STATS_INIT, {}};
  stats.known.struct_size = sizeof(stats);
  stats.added.fill('x');
  CHECK(gumtile_engine_get_stats(engine.get(), &stats.known) == GUMTILE_OK);
  CHECK(stats.added.front() == 'x');
  stats.known.struct_size = 0;
  CHECK(gumtile_engine_get_stats(engine.get(), &stats.known) == GUMTILE_USAGE);
  CHECK(gumtile_engine_get_stats(engine.get(), nullptr) == GUMTILE_USAGE);
}

TEST_CASE("null handles are refused, and destroying nothing is nothing") {
  gumtile_engine_close(nullptr);
  gumtile_head_destroy(nullptr);
  std::size_t bytes = 0;
  void* memory = nullptr;
  embed::EngineStats stats;
  embed::DeviceInfo info;
  embed::KernelChoice choice;
  embed::SampleArgs args;
  gumtile_head* head = nullptr;
  const embed::HeadOptions options = head_options(&bytes);
  for (const gumtile_status status :
       {gumtile_engine_open(nullptr, nullptr), gumtile_engine_describe(nullptr, &info),
        gumtile_engine_get_stats(nullptr, &stats), gumtile_engine_allocate(nullptr, 1, &memory),
        gumtile_engine_release(nullptr, nullptr), gumtile_engine_copy_to_device(nullptr, nullptr, nullptr, 0),
        gumtile_engine_copy_to_host(nullptr, nullptr, nullptr, 0),
        gumtile_engine_synchronize(nullptr, nullptr), gumtile_head_create(nullptr, &options, &head),
        gumtile_head_prepare(nullptr, nullptr), gumtile_head_set_weights(nullptr, &bytes, 0),
        gumtile_head_workspace_size(nullptr, 1, &bytes, nullptr), gumtile_head_validate(nullptr, &args, 0),
        gumtile_head_get_choice(nullptr, 0, &choice)}) {
    CHECK(status == GUMTILE_USAGE);
    CHECK(has(gumtile_last_error(), "is null"));
  }
  CHECK(gumtile_head_choice_count(nullptr) == 0);
  CHECK(gumtile_head_workspace_init(nullptr, nullptr, nullptr, 0) == GUMTILE_INVALID_ARGUMENT);
  CHECK(gumtile_head_sample(nullptr, nullptr, &args) == GUMTILE_INVALID_ARGUMENT);

  embed::Engine engine(engine_options());
  CHECK(gumtile_head_create(engine.get(), nullptr, &head) == GUMTILE_USAGE);
  CHECK(gumtile_head_create(engine.get(), &options, nullptr) == GUMTILE_USAGE);
  CHECK(gumtile_engine_allocate(engine.get(), 1, nullptr) == GUMTILE_USAGE);
  const Array<std::uint16_t> weights(engine, random_bf16(kVocab * kHidden, 42));
  const embed::Head made(engine, head_options(weights.data()));
  CHECK(gumtile_head_sample(made.get(), nullptr, nullptr) == GUMTILE_INVALID_ARGUMENT);
  CHECK(gumtile_head_validate(made.get(), nullptr, 0) == GUMTILE_USAGE);
  CHECK(gumtile_head_workspace_size(made.get(), 0, nullptr, nullptr) == GUMTILE_USAGE);
}

TEST_CASE("every status has its name") {
  for (const gumtile_status status :
       {GUMTILE_OK, GUMTILE_NOT_PREPARED, GUMTILE_TOO_MANY_ROWS, GUMTILE_WORKSPACE_TOO_SMALL,
        GUMTILE_INVALID_ARGUMENT, GUMTILE_LAUNCH_FAILED, GUMTILE_CONTEXT_LOST, GUMTILE_FORKED, GUMTILE_USAGE,
        GUMTILE_BAD_DATA, GUMTILE_DEVICE_UNAVAILABLE, GUMTILE_INTERNAL, GUMTILE_OUT_OF_MEMORY,
        GUMTILE_CANNOT_CREATE, GUMTILE_IO, GUMTILE_CANCELLED})
    CHECK(std::string(gumtile_status_name(status)) != "unknown");
  CHECK(std::string(gumtile_status_name(static_cast<gumtile_status>(63))) == "unknown");
  CHECK(std::string(gumtile_status_name(GUMTILE_NOT_PREPARED)) == "not_prepared");
  CHECK(gumtile_abi_version() == GUMTILE_ABI_VERSION);
  CHECK(gumtile_has_jit() == 1);
  CHECK(std::string(gumtile_version()).find('.') != std::string::npos);
}

TEST_CASE("the last error is the thread's own, and stays until the next") {
  gumtile_engine* engine = nullptr;
  embed::EngineOptions options;
  options.device = "toaster";
  CHECK(gumtile_engine_open(&options, &engine) == GUMTILE_USAGE);
  const std::string first = gumtile_last_error();
  CHECK(has(first, "unknown device 'toaster'"));
  std::thread([&] {
    CHECK(std::string(gumtile_last_error()).empty());
    options.device = "cuda:4711";
    CHECK(gumtile_engine_open(&options, &engine) == GUMTILE_DEVICE_UNAVAILABLE);
    CHECK(has(gumtile_last_error(), "cuda:4711"));
  }).join();
  CHECK(gumtile_last_error() == first);
  CHECK(gumtile_head_sample(nullptr, nullptr, nullptr) == GUMTILE_INVALID_ARGUMENT);
  CHECK(has(gumtile_last_error(), "gumtile_head_validate"));
}

TEST_CASE("enumerators that stand for nothing are refused by name") {
  embed::Engine engine(engine_options());
  const Array<std::uint16_t> weights(engine, random_bf16(kVocab * kHidden, 42));
  const auto refused = [&](auto change, const char* name) {
    embed::HeadOptions options = head_options(weights.data());
    change(options);
    std::string message;
    CHECK(status_of([&] { embed::Head(engine, options); }, &message) == GUMTILE_USAGE);
    CAPTURE(message);
    CHECK(has(message, name));
  };
  refused([](auto& options) { options.weights_dtype = static_cast<gumtile_dtype>(77); }, "weights_dtype");
  refused([](auto& options) { options.hidden_dtype = static_cast<gumtile_dtype>(77); }, "hidden_dtype");
  refused([](auto& options) { options.token_dtype = GUMTILE_F16; }, "token_dtype is no integer");
  refused([](auto& options) { options.noise = static_cast<gumtile_noise>(77); }, "noise");
  refused([](auto& options) { options.vocab_size = 0; }, "vocab_size");
  refused([](auto& options) { options.hidden_size = -1; }, "hidden_size");
  refused([](auto& options) { options.weights = nullptr; }, "weights is null");
  refused([](auto& options) { options.weights_dtype = GUMTILE_I32; }, "weights_dtype is an integer");
  refused([](auto& options) { options.hidden_dtype = GUMTILE_I64; }, "hidden_dtype is an integer");
}

TEST_CASE("sets of features have names") {
  uint64_t features = 7;
  CHECK(gumtile_parse_features("token", &features) == GUMTILE_OK);
  CHECK(features == 0);
  CHECK(gumtile_parse_features("logprob", &features) == GUMTILE_OK);
  CHECK(features == GUMTILE_FEATURE_LOGPROB);
  CHECK(gumtile_parse_features("logprobs", &features) == GUMTILE_USAGE);
  CHECK(std::string(gumtile_last_error()).find("'logprobs'") != std::string::npos);
  CHECK(gumtile_parse_features(nullptr, &features) != GUMTILE_OK);
}

}  // namespace
}  // namespace gumtile::test
