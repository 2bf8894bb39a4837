// The calling thread's settings for subnormal numbers and rounding change no sample.
#include <doctest/doctest.h>

#include <cfenv>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/sampling_check.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace gumtile::test {
namespace {

/// Sets a thread's arithmetic until the end of the scope.
class Arithmetic {
 public:
  Arithmetic(bool flush_subnormals, int rounding) {
    std::fegetenv(&before_);
    std::fesetround(rounding);
#if defined(__x86_64__)
    if (flush_subnormals) _mm_setcsr(_mm_getcsr() | 0x8040);  // FTZ and DAZ
#else
    (void)flush_subnormals;
#endif
  }
  ~Arithmetic() { std::fesetenv(&before_); }
  Arithmetic(const Arithmetic&) = delete;
  Arithmetic& operator=(const Arithmetic&) = delete;

 private:
  std::fenv_t before_{};
};

/// A head whose logits are subnormal numbers, some -inf, under temperatures that make more of them.
Case subnormal_case(float temperature) {
  const SamplingOptions options{NoiseScheme::grouped, DType::f32, DType::f32, true};
  Case c = make_lm_head_case(options, 20000, 8, 3, 17);
  Array& hidden = c.input("hidden_states");
  for (int64_t i = 0; i < hidden.rows * hidden.row_stride; ++i) hidden.set(i, 1.0F);
  Array& weights = c.input("weights");
  for (int64_t row = 0; row < weights.rows; ++row)
    for (int64_t k = 0; k < weights.columns; ++k) {
      const int64_t at = row * weights.row_stride + k;
      weights.set(
          at, row % 50 == 0 && k == 0 ? -std::numeric_limits<float>::infinity() : weights.get(at) * 1e-38F);
    }
  Array& temperatures = c.input("temperature");
  for (int64_t i = 0; i < temperatures.columns; ++i) temperatures.set(i, temperature);
  return c;
}

std::vector<std::vector<std::byte>> bytes(const Outputs& outputs) {
  std::vector<std::vector<std::byte>> all;
  for (const Array& array : outputs) all.push_back(array.bytes);
  return all;
}

TEST_CASE("a caller's arithmetic changes neither samples nor what the interpreter says") {
  for (const float temperature : {0.0F, 1.0F, 3e38F}) {
    const Case c = subnormal_case(temperature);
    const auto interpreted = bytes(run_interpreter(c));
    for (const auto& engine : engines()) {
      const auto expected = bytes(run_engine(c, *engine));
      for (const int rounding : {FE_TONEAREST, FE_UPWARD, FE_TOWARDZERO}) {
        CAPTURE(engine->device().id);
        CAPTURE(temperature);
        CAPTURE(rounding);
        bool same_samples = true;
        bool same_meaning = true;
        {
          const Arithmetic callers(true, rounding);
          for (int i = 0; i < 5; ++i) same_samples &= bytes(run_engine(c, *engine)) == expected;
          same_meaning = bytes(run_interpreter(c)) == interpreted;
          CHECK(std::fegetround() == rounding);  // the thread's own setting is restored
        }
        CHECK(same_samples);
        CHECK(same_meaning);
      }
    }
  }
}

TEST_CASE("threads of an engine that was opened with other arithmetic have the usual one") {
  const Case c = subnormal_case(1.0F);
  const auto expected = bytes(run_engine(c, *cpu_engine()));
  std::shared_ptr<Engine> engine;
  {
    const Arithmetic callers(true, FE_UPWARD);
    EngineOptions options = cpu_engine()->options();
    engine = Engine::open("cpu", options);
  }
  for (int i = 0; i < 5; ++i) CHECK(bytes(run_engine(c, *engine)) == expected);
}

}  // namespace
}  // namespace gumtile::test
