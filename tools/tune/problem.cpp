#include "tools/tune/problem.h"

#include <fmt/format.h>

#include <algorithm>

#include "gumtile/error.h"
#include "head/fields.h"
#include "head/settings.h"

namespace gumtile::tools {
namespace {

/// A range that begins at a multiple of this many columns begins with a whole tile, whatever the tile's
/// columns (they divide it).
constexpr int64_t kWholeTile = 256;

}  // namespace

std::vector<TuneProblem> shard_problems(const MeasuredHead& whole, int64_t shards) {
  if (shards < 1 || shards > whole.vocab_size)
    throw Error(ErrorCode::usage, fmt::format("--tp: {} ranks for a vocabulary of {}; expected 1 to {}",
                                              shards, whole.vocab_size, whole.vocab_size));
  const int64_t tokens = (whole.vocab_size + shards - 1) / shards;
  std::vector<TuneProblem> problems;
  for (int64_t first = 0; first < whole.vocab_size; first += tokens) {
    const int64_t count = std::min(tokens, whole.vocab_size - first);
    const auto alike = std::find_if(problems.begin(), problems.end(), [&](const TuneProblem& problem) {
      return problem.head.vocab_size == count &&
             (problem.head.first_token % kWholeTile == 0) == (first % kWholeTile == 0);
    });
    if (alike != problems.end()) {
      alike->also_first_tokens.push_back(first);
      continue;
    }
    TuneProblem problem{whole, {}};
    problem.head.vocab_size = count;
    problem.head.first_token = first;
    problems.push_back(problem);
  }
  return problems;
}

Program program_of(const MeasuredHead& head) { return lm_head_program(head, head.features); }

Problem problem_of(const MeasuredHead& head, int64_t max_rows) {
  Problem problem;
  problem.columns = head.vocab_size;
  problem.contracted = head.hidden_size;
  problem.max_rows = max_rows;
  problem.first_column = head.first_token;
  const int64_t stride = head.hidden_size * static_cast<int64_t>(size_bytes(head.weights_dtype));
  while (stride % problem.weights_alignment != 0) problem.weights_alignment /= 2;
  return problem;
}

Json head_json(const MeasuredHead& head) {
  return {{"vocab_size", head.vocab_size},
          {"hidden_size", head.hidden_size},
          {"first_token", head.first_token},
          {"hidden_dtype", name(head.hidden_dtype)},
          {"weights_dtype", name(head.weights_dtype)},
          {"noise", name(head.noise)},
          {"settings", head::settings_text(head.settings)},
          {"features", head::feature_set_name(head.features)}};
}

MeasuredHead parse_head(const Json& json) {
  MeasuredHead head;
  json.at("vocab_size").get_to(head.vocab_size);
  json.at("hidden_size").get_to(head.hidden_size);
  json.at("first_token").get_to(head.first_token);
  head.hidden_dtype = parse_dtype(json.at("hidden_dtype").get<std::string>()).value();
  head.weights_dtype = parse_dtype(json.at("weights_dtype").get<std::string>()).value();
  head.noise = parse_noise_scheme(json.at("noise").get<std::string>()).value();
  head.settings = head::parse_settings(json.at("settings").get<std::string>()).value();
  head.features = head::parse_feature_set(json.at("features").get<std::string>()).value();
  return head;
}

Json device_json(const DeviceDescription& device) {
  return {{"name", device.name},
          {"id", device.id},
          {"target", device.target.str()},
          {"workers", device.workers},
          {"memory_bytes", device.memory_bytes},
          {"memory_bytes_per_second", device.memory_bytes_per_second}};
}

DeviceDescription parse_device(const Json& json) {
  DeviceDescription device;
  json.at("name").get_to(device.name);
  json.at("id").get_to(device.id);
  device.target = Target::parse(json.at("target").get<std::string>());
  json.at("workers").get_to(device.workers);
  json.at("memory_bytes").get_to(device.memory_bytes);
  json.at("memory_bytes_per_second").get_to(device.memory_bytes_per_second);
  return device;
}

}  // namespace gumtile::tools
