// A C++17 program on an installed gumtile; otherwise as consumer.c.
#include <cstdio>
#include <cstring>
#include <gumtile/gumtile.hpp>
#include <vector>

namespace embed = gumtile::embed;

namespace {

int run(bool jit) {
  embed::Engine engine("cpu");
  std::vector<float> weights(40 * 16), hidden(16);
  weights[7 * 16 + 3] = hidden[3] = 1;
  embed::HeadOptions options;
  options.vocab_size = 40;
  options.hidden_size = 16;
  options.weights_dtype = GUMTILE_F32;
  options.weights = weights.data();
  embed::Head head(engine, options);
  try {
    head.prepare(1);
  } catch (const embed::Error& error) {
    std::printf("%s: %s\n", gumtile_status_name(error.status()), error.what());
    return jit ? 1 : 0;
  }
  const float temperature = 0;
  std::int32_t token = -1;
  embed::SampleArgs args;
  args.rows = 1;
  args.hidden_states = hidden.data();
  args.temperature = &temperature;
  args.token = &token;
  args.workspace_bytes = head.workspace_size(1);
  args.workspace = engine.allocate(args.workspace_bytes);
  head.workspace_init(nullptr, args.workspace, args.workspace_bytes);
  head.validate(args);
  const gumtile_status status = head.sample(nullptr, args);
  engine.release(args.workspace);
  std::printf("%s: token %d\n", gumtile_status_name(status), static_cast<int>(token));
  return jit && status == GUMTILE_OK && token == 7 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 && std::strcmp(argv[1], "jit") == 0);
  } catch (const embed::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
