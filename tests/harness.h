#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gumtile/engine.h"
#include "gumtile/interpreter.h"
#include "gumtile/plan.h"
#include "gumtile/program.h"

/// Runs Programs on the interpreter and on real engines, on the same data.
namespace gumtile::test {

/// A host array of one input or output.
struct Array {
  DType dtype = DType::f32;
  int64_t rows = 1;
  int64_t columns = 1;
  int64_t row_stride = 1;  ///< elements
  bool absent = false;     ///< an optional input that is not bound
  std::vector<std::byte> bytes;

  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(bytes.data());
  }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(bytes.data());
  }
  /// Element i of a float array, widened.
  float get(int64_t i) const;
  void set(int64_t i, float value);
};

Array make_array(DType dtype, int64_t rows, int64_t columns, int64_t row_stride = 0);
template <typename T>
Array make_vector(DType dtype, const std::vector<T>& values) {
  Array a = make_array(dtype, 1, static_cast<int64_t>(values.size()));
  if (!values.empty()) std::memcpy(a.bytes.data(), values.data(), values.size() * sizeof(T));
  return a;
}
inline Array absent(DType dtype) {
  Array a;
  a.dtype = dtype;
  a.absent = true;
  return a;
}

/// A small deterministic generator (splitmix64).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  /// Uniform in [0, n).
  uint64_t below(uint64_t n) { return next() % n; }
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-24f; }
  /// About standard normal.
  float normal();

 private:
  uint64_t state_;
};
void fill_normal(Array& a, Random& random, float scale);

/// Inputs by name; outputs are made to fit and poisoned before each run.
struct Case {
  Program program;
  Extents extents;
  std::vector<Array> inputs;
  int64_t first_column = 0;  ///< the global index of column 0; engines only
  int64_t positions = 0;     ///< elements of the outputs that have a position; 0: as many as there are rows

  Array& input(const std::string& name);
};
/// All inputs of the program, optional ones absent, sizes by the extents ("slot" axes get `slots`).
Case make_case(const Program& program, const Extents& extents, int64_t slots = 0);

using Outputs = std::vector<Array>;
const Array& output(const Program& program, const Outputs& outputs, const std::string& name);

Outputs run_interpreter(const Case& c, Observations* observe = nullptr);
/// Loads the plan on the engine, copies the inputs there, launches, and copies the outputs back. Throws on
/// any status but ok.
Outputs run_engine(const Case& c, Engine& engine, const Schedule& schedule);
Outputs run_engine(const Case& c, Engine& engine);  ///< default schedule
/// The case's kernels under these schedules, compiled in parallel. While they exist, `run_engine` only
/// launches.
std::vector<Kernel> load_all(const Case& c, Engine& engine, const std::vector<Schedule>& schedules);

/// The devices to test: all, or the one that GUMTILE_TEST_DEVICE names (cpu or cuda:0). Opened once.
std::shared_ptr<Engine> cpu_engine();
std::shared_ptr<Engine> gpu_engine();  ///< null: none
std::vector<std::shared_ptr<Engine>> engines();

/// Legal schedules of a program on a target, a seeded sample of at most `count`, the default first.
std::vector<Schedule> sample_schedules(const Program& program, const Problem& problem, const Target& target,
                                       Random& random, size_t count);

}  // namespace gumtile::test
