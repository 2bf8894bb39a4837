#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/sampling_check.h"

namespace gumtile::test {
namespace {

void check(const SamplingReference& reference, const Outputs& outputs, const std::string& what) {
  const TokenComparison result = reference.compare(outputs);
  INFO(what, ": ", result.equal, " equal, ", result.near_ties, " near ties; ", result.first_wrong);
  CHECK(result.wrong == 0);
  CHECK(result.near_ties * 100 <= std::max<int64_t>(result.rows, 100));
  CHECK(result.largest_logprob_error <= 1e-4);
}

constexpr NoiseScheme kSchemes[] = {NoiseScheme::per_token, NoiseScheme::grouped};

TEST_CASE("the LM head gives the interpreter's tokens") {
  struct Shape {
    int64_t vocab, hidden, rows;
  };
  for (const Shape& s : {Shape{1, 8, 1}, {7, 8, 3}, {127, 64, 17}, {129, 72, 3}, {1000, 40, 9}, {32003, 2880, 5}})
    for (NoiseScheme noise : kSchemes) {
      const SamplingOptions options{noise, DType::bf16, DType::bf16, true};
      const Case c = make_lm_head_case(options, s.vocab, s.hidden, s.rows, 7 + static_cast<uint64_t>(s.vocab));
      const SamplingReference reference(c, options);
      for (const auto& engine : engines())
        check(reference, run_engine(c, *engine),
              fmt::format("{} V={} K={} B={} {}", engine->device().id, s.vocab, s.hidden, s.rows, name(noise)));
    }
}

}  // namespace
}  // namespace gumtile::test
