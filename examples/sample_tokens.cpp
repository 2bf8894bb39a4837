// Embeds the LM head: made-up weights, eight rows with temperatures and seeds of their own, one token each.
//
//   sample_tokens [auto | cpu | cuda:N]
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "device_array.h"
#include "gumtile/error.h"
#include "gumtile/jit.h"
#include "gumtile/lm_head.h"

namespace {

constexpr int64_t kVocab = 32000;
constexpr int64_t kHidden = 256;
constexpr int64_t kRows = 8;

/// Normally distributed numbers as bf16 bits.
std::vector<uint16_t> random_bf16(int64_t count, float scale, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<uint16_t> values(static_cast<size_t>(count));
  for (uint16_t& value : values) value = gumtile::float_to_bf16(normal(generator));
  return values;
}

int run(const char* device) {
  using namespace gumtile;
  const auto engine = Engine::open(device, make_jit());

  // From the model: the head's weights, and one hidden state per row.
  const float scale = 2.0f / std::sqrt(static_cast<float>(kHidden));
  const DeviceArray<uint16_t> weights(engine, random_bf16(kVocab * kHidden, scale, 1));
  const DeviceArray<uint16_t> hidden(engine, random_bf16(kRows * kHidden, 1.0f, 2));

  // From the requests: how to sample each row. Temperature 0 takes the most likely token.
  const DeviceArray<float> temperature(engine, {0.0f, 0.5f, 0.7f, 0.7f, 1.0f, 1.0f, 1.5f, 2.0f});
  const DeviceArray<uint64_t> seed(engine, {11, 12, 13, 14, 15, 16, 17, 18});
  const DeviceArray<uint64_t> offset(engine, {0, 1, 2, 3, 4, 5, 6, 7});  // the position in the request
  const DeviceArray<int32_t> token(engine, kRows);
  const DeviceArray<float> logprob(engine, kRows);
  const DeviceArray<uint32_t> any_status(engine, 1);

  LmHeadOptions options;  // bf16, grouped noise, with log-probabilities
  options.vocab_size = kVocab;
  options.hidden_size = kHidden;
  LmHead head(engine, options, weights.data());
  head.prepare(kRows);  // compiles; nothing below does
  const DeviceArray<std::byte> workspace(engine, head.workspace_bytes(kRows));

  SampleArgs args;
  args.rows = kRows;
  args.hidden_states = hidden.data();
  args.temperature = temperature.data();
  args.seed = seed.data();
  args.offset = offset.data();
  args.token = token.data();
  args.logprob = logprob.data();
  args.any_status = any_status.data();
  args.workspace = workspace.data();
  args.workspace_bytes = workspace.size_bytes();
  head.workspace_init(nullptr, args.workspace, args.workspace_bytes);  // once; every launch leaves it ready
  const Status status = head.sample(nullptr, args);                    // on the default stream
  if (status != Status::ok) {
    std::fprintf(stderr, "sampling failed: %.*s\n", static_cast<int>(name(status).size()),
                 name(status).data());
    return 1;
  }

  const std::vector<int32_t> tokens = token.read();
  const std::vector<float> logprobs = logprob.read();
  const std::vector<float> temperatures = temperature.read();
  std::printf("%s: %s\nrow  temperature  token   logprob\n", engine->device().id.c_str(),
              engine->device().name.c_str());
  for (size_t row = 0; row < kRows; ++row)
    std::printf("%3zu  %11.1f  %5d  %8.4f\n", row, temperatures[row], tokens[row], logprobs[row]);

  // The same seeds and offsets give the same tokens, here for a batch of the last row alone.
  SampleArgs last = args;
  last.rows = 1;
  last.hidden_states = hidden.data() + (kRows - 1) * kHidden;
  last.temperature = temperature.data() + kRows - 1;
  last.seed = seed.data() + kRows - 1;
  last.offset = offset.data() + kRows - 1;
  if (head.sample(nullptr, last) != Status::ok) return 1;
  const bool repeated = token.read()[0] == tokens.back();
  const bool healthy = any_status.read()[0] == 0;
  std::printf("row %lld alone: %s token\n", static_cast<long long>(kRows - 1),
              repeated ? "the same" : "ANOTHER");
  return repeated && healthy ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : "auto");
  } catch (const gumtile::Error& error) {
    std::fprintf(stderr, "sample_tokens: %s\n", error.what());
    for (const std::string& note : error.notes()) std::fprintf(stderr, "  %s\n", note.c_str());
    return static_cast<int>(error.code());
  }
}
