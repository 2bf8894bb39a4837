// Users' own fragments in a head that runs on a device: their inputs and outputs are bound by name.
#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "gumtile/lm_head.h"
#include "tests/harness.h"

namespace gumtile::test {
namespace {

constexpr int64_t kVocab = 200, kHidden = 64, kRows = 3;

struct DeviceMemory {
  DeviceMemory(std::shared_ptr<Engine> on, size_t bytes)
      : engine(std::move(on)), data(engine->allocate(bytes)), size(bytes) {}
  ~DeviceMemory() { engine->release(data); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  template <typename T>
  void write(const std::vector<T>& values) {
    engine->copy_to_device(data, values.data(), values.size() * sizeof(T));
  }
  template <typename T>
  std::vector<T> read(size_t count) {
    std::vector<T> values(count);
    engine->copy_to_host(values.data(), data, count * sizeof(T));
    return values;
  }
  std::shared_ptr<Engine> engine;
  void* data;
  size_t size;
};

TEST_CASE("a head binds what the user's fragments read and write, by name") {
  for (const std::shared_ptr<Engine>& engine : engines()) {
    CAPTURE(engine->device().id);
    Random random(5);
    Array w = make_array(DType::f32, kVocab, kHidden), h = make_array(DType::f32, kRows, kHidden);
    fill_normal(w, random, 0.1f);
    fill_normal(h, random, 1.0f);
    DeviceMemory weights(engine, w.bytes.size()), hidden(engine, h.bytes.size()), bias(engine, kVocab * 4);
    DeviceMemory token(engine, kRows * 4), raw(engine, kRows * 4);
    weights.write(w.bytes);
    hidden.write(h.bytes);
    std::vector<float> values(kVocab, 0.0f);
    values[42] = 1000.0f;
    bias.write(values);

    LmHeadOptions options;
    options.vocab_size = kVocab;
    options.hidden_size = kHidden;
    options.hidden_dtype = options.weights_dtype = DType::f32;
    LmHead plain(engine, options, weights.data);
    options.fragments = {
        {"task bias", HeadStage::logits,
         [](HeadBuilder& b) { b.logit = b.logit + b.input("task_bias", DType::f32, Over::vocab, -0.0); }},
        {"logit", HeadStage::candidates, [](HeadBuilder& b) { b.carry("logit", b.logit); }},
        {"logit", HeadStage::results,
         [](HeadBuilder& b) { b.output("logit", DType::f32, b.carried("logit")); }}};
    LmHead head(engine, options, weights.data);
    plain.prepare(kRows, {kNoFeatures});
    head.prepare(kRows, {kNoFeatures});

    const auto tokens = [&](const LmHead& of, std::span<const NamedBinding> extra,
                            Status expected = Status::ok) {
      DeviceMemory workspace(engine, std::max<size_t>(of.workspace_bytes(kRows), 256));
      SampleArgs args;
      args.rows = kRows;
      args.hidden_states = hidden.data;
      args.token = token.data;
      args.workspace = workspace.data;
      args.workspace_bytes = workspace.size;
      REQUIRE(of.workspace_init(nullptr, args.workspace, args.workspace_bytes) == Status::ok);
      CHECK(of.sample(nullptr, args, extra) == expected);
      engine->synchronize();
      return token.read<int32_t>(kRows);
    };
    const std::vector<int32_t> expected = tokens(plain, {});
    CHECK(tokens(head, {}) == expected);  // an absent bias changes no bit
    const NamedBinding both[] = {{"task_bias", {bias.data, 0}}, {"logit", {raw.data, 0}}};
    CHECK(tokens(head, both) == std::vector<int32_t>(kRows, 42));
    for (const float logit : raw.read<float>(kRows)) CHECK(logit > 900.0f);
    const NamedBinding unknown[] = {{"task_bais", {bias.data, 0}}};
    tokens(head, unknown, Status::invalid_argument);
    tokens(plain, both, Status::invalid_argument);
  }
}

}  // namespace
}  // namespace gumtile::test
