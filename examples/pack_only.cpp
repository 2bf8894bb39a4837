// A program without a compiler: it links gumtile::runtime, and its kernels come from a pack that was built
// elsewhere.
//
//   gumtile compile --vocab-size 1000 --hidden-size 64 --targets host,sm_80,sm_90a -o head.gtpack
//   pack_only head.gtpack [DEVICE]
//
// Ends with 0 if the greedy tokens are right.
#include <cstdio>
#include <cstring>

#include "embed_array.h"

namespace {

namespace embed = gumtile::embed;

// What the pack was made for.
constexpr std::int64_t kVocab = 1000;
constexpr std::int64_t kHidden = 64;
constexpr std::int64_t kRows = 4;

int run(const char* pack, const char* device) {
  embed::EngineOptions options;
  options.device = device;
  options.flags = GUMTILE_ENGINE_NO_CACHE;
  options.packs = &pack;
  options.pack_count = 1;
  embed::Engine engine(options);
  std::printf("%s on %s; a compiler is %s\n", engine.device().name, engine.device().id,
              gumtile_has_jit() != 0 ? "here" : "not here");

  // bf16, the upper half of a float. Row r of the hidden states equals the weights of token 10 * (r + 1) and
  // of no other.
  constexpr std::uint16_t kOne = 0x3f80;
  std::vector<std::uint16_t> weights(static_cast<std::size_t>(kVocab * kHidden));
  std::vector<std::uint16_t> hidden(static_cast<std::size_t>(kRows * kHidden));
  for (std::size_t row = 0; row < kRows; ++row)
    weights[10 * (row + 1) * kHidden + row] = hidden[row * kHidden + row] = kOne;
  const EmbedArray<std::uint16_t> device_weights(engine, weights);
  const EmbedArray<std::uint16_t> device_hidden(engine, hidden);
  const EmbedArray<float> temperature(engine, std::vector<float>(kRows));
  const EmbedArray<std::int32_t> token(engine, kRows);

  embed::HeadOptions wanted;
  wanted.vocab_size = kVocab;
  wanted.hidden_size = kHidden;
  wanted.weights = device_weights.data();
  embed::Head head(engine, wanted);
  head.prepare(kRows);  // if the pack lacks something, fails and says what is missing
  const EmbedArray<char> workspace(engine, head.workspace_size(kRows));
  head.workspace_init(nullptr, workspace.data(), head.workspace_size(kRows));

  embed::SampleArgs args;
  args.rows = kRows;
  args.hidden_states = device_hidden.data();
  args.temperature = temperature.data();
  args.token = token.data();
  args.workspace = workspace.data();
  args.workspace_bytes = head.workspace_size(kRows);
  embed::check(head.sample(nullptr, args));
  const std::vector<std::int32_t> tokens = token.read();
  bool right = true;
  for (std::size_t row = 0; row < kRows; ++row) {
    std::printf("row %zu: token %d\n", row, tokens[row]);
    right = right && tokens[row] == static_cast<std::int32_t>(10 * (row + 1));
  }
  return right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: pack_only PACK [DEVICE]\n");
    return 64;
  }
  try {
    return run(argv[1], argc > 2 ? argv[2] : "auto");
  } catch (const embed::Error& error) {
    std::fprintf(stderr, "pack_only: %s: %s\n", gumtile_status_name(error.status()), error.what());
    return error.status();
  }
}
