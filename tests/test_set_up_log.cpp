#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gumtile/programs.h"
#include "runtime/engine/set_up_log.h"
#include "runtime/head/choices_log.h"

namespace gumtile::head {
namespace {

/// The messages about `choices` for a head of type `dtype` on `target`.
std::vector<std::string> said(const std::vector<KernelChoice>& choices, const char* target, DType dtype,
                              int weights_alignment = 16) {
  SamplingOptions options;
  options.hidden_dtype = options.weights_dtype = dtype;
  Problem problem;
  problem.columns = 1000;
  problem.contracted = 64;
  problem.weights_alignment = weights_alignment;
  DeviceDescription device;
  device.target = Target::parse(target);
  std::vector<std::string> messages;
  log_choices(
      [&](LogLevel level, std::string_view message) {
        CHECK(level == LogLevel::info);
        messages.emplace_back(message);
      },
      choices, lm_head_sample(options), problem, device);
  return messages;
}

bool says(const std::vector<std::string>& messages, const char* text) {
  return messages.size() == 1 && messages.front().find(text) != std::string::npos;
}

TEST_CASE("buckets with one choice are one line") {
  const std::vector<KernelChoice> choices{{0, 1, "host:b1,v256", "built-in heuristic", ""},
                                          {0, 4, "host:b4,v256", "shipped record x.json", ""},
                                          {0, 8, "host:b4,v256", "shipped record x.json", ""},
                                          {0, 16, "host:b4,v256", "shipped record y.json", "why"}};
  CHECK(said(choices, "host", DType::bf16) ==
        std::vector<std::string>{
            "head 1000 x 64, 1 row, features token: schedule 'host:b1,v256' by built-in heuristic",
            "head 1000 x 64, 2 to 8 rows, features token: schedule 'host:b4,v256' by shipped record x.json",
            "head 1000 x 64, 9 to 16 rows, features token: schedule 'host:b4,v256' by shipped record y.json; "
            "why"});
}

TEST_CASE("a slower family of kernels comes with its reason") {
  const auto one = [](const char* schedule) {
    return std::vector<KernelChoice>{{feature_logprob, 8, schedule, "option", ""}};
  };
  CHECK(
      says(said(one("simt:b8,k16"), "sm_90a", DType::f32), "; f32 operands have no exact tensor core form"));
  const auto mma_sync = one("mma_sync:b16,v128,stages=4,warps=1x2,copy=8");
  CHECK(says(said(mma_sync, "sm_90a", DType::bf16, 8), "; TMA needs weights aligned to 16 bytes"));
  CHECK(says(said(mma_sync, "sm_80", DType::bf16), "; sm_80 has no wgmma"));
  CHECK(says(said(one("host:b4,v256"), "host", DType::bf16),
             "features logprob: schedule 'host:b4,v256' by option"));
}

TEST_CASE("without a log nothing is put into words") {
  log_choices({}, {{0, 1, "no schedule", "", ""}}, Program{}, Problem{}, DeviceDescription{});
  engine::log_device({}, DeviceDescription{});
}

}  // namespace
}  // namespace gumtile::head
