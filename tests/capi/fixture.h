#pragma once

// A small head behind the C interface, with the arrays of a launch in the device's memory.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "gumtile/gumtile.hpp"

namespace gumtile::test {

inline constexpr std::int64_t kVocab = 500;
inline constexpr std::int64_t kHidden = 64;

/// GUMTILE_TEST_DEVICE, else the CPU.
inline const char* test_device() {
  const char* device = std::getenv("GUMTILE_TEST_DEVICE");
  return device == nullptr ? "cpu" : device;
}

/// An array in an engine's memory.
template <typename T>
class Array {
 public:
  Array(embed::Engine& engine, std::size_t count, T value = T())
      : Array(engine, std::vector<T>(count, value)) {}
  Array(embed::Engine& engine, const std::vector<T>& values)
      : engine_(&engine),
        count_(values.size()),
        data_(static_cast<T*>(engine.allocate(values.size() * sizeof(T)))) {
    write(values);
  }
  ~Array() { engine_->release(data_); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  T* data() const { return data_; }
  std::size_t bytes() const { return count_ * sizeof(T); }
  void write(const std::vector<T>& values) {
    engine_->copy_to_device(data_, values.data(), values.size() * sizeof(T));
  }
  std::vector<T> read() const {
    std::vector<T> values(count_);
    engine_->copy_to_host(values.data(), data_, bytes());
    return values;
  }

 private:
  embed::Engine* engine_;
  std::size_t count_;
  T* data_;
};

/// Small numbers as bf16: the upper half of a float's bits.
inline std::vector<std::uint16_t> random_bf16(std::size_t count, std::uint32_t seed) {
  std::vector<std::uint16_t> values(count);
  for (std::uint16_t& value : values) {
    seed = seed * 1664525 + 1013904223;
    const float number = static_cast<float>(seed >> 16) / 65536 - 0.5F;
    std::uint32_t bits = 0;
    std::memcpy(&bits, &number, sizeof(bits));
    value = static_cast<std::uint16_t>(bits >> 16);
  }
  return values;
}

inline embed::EngineOptions engine_options() {
  embed::EngineOptions options;
  options.device = test_device();
  options.flags = GUMTILE_ENGINE_NO_CACHE;
  return options;
}

inline embed::HeadOptions head_options(const void* weights) {
  embed::HeadOptions options;
  options.vocab_size = kVocab;
  options.hidden_size = kHidden;
  options.weights = weights;
  return options;
}

/// The arguments of one launch. Row r has the seed 100 + r, the offset r, and a temperature from 0 up.
class Batch {
 public:
  Batch(embed::Engine& engine, std::int64_t rows, std::size_t workspace_bytes, std::uint32_t data_seed = 1)
      : count(static_cast<std::size_t>(rows)),
        hidden(engine, random_bf16(count * kHidden, data_seed)),
        temperature(engine, count),
        seed(engine, count),
        offset(engine, count),
        token(engine, count, kUntouched),
        logprob(engine, count, 7.0F),
        status(engine, count, 77U),
        any_status(engine, 1, 77U),
        workspace(engine, workspace_bytes) {
    std::vector<float> temperatures(count);
    std::vector<std::uint64_t> seeds(count), offsets(count);
    for (std::size_t row = 0; row < count; ++row) {
      temperatures[row] = 0.3F * static_cast<float>(row % 5);
      seeds[row] = 100 + row;
      offsets[row] = row;
    }
    temperature.write(temperatures);
    seed.write(seeds);
    offset.write(offsets);
    args.rows = rows;
    args.hidden_states = hidden.data();
    args.temperature = temperature.data();
    args.seed = seed.data();
    args.offset = offset.data();
    args.token = token.data();
    args.logprob = logprob.data();
    args.status = status.data();
    args.any_status = any_status.data();
    args.workspace = workspace.data();
    args.workspace_bytes = workspace_bytes;
  }

  /// Launches on the default stream and returns the tokens.
  std::vector<std::int32_t> sample(embed::Engine& engine, const embed::Head& head) {
    embed::check(head.sample(nullptr, args));
    engine.synchronize();
    return token.read();
  }

  static constexpr std::int32_t kUntouched = -99;
  std::size_t count;
  Array<std::uint16_t> hidden;
  Array<float> temperature;
  Array<std::uint64_t> seed;
  Array<std::uint64_t> offset;
  Array<std::int32_t> token;
  Array<float> logprob;
  Array<std::uint32_t> status;
  Array<std::uint32_t> any_status;
  Array<char> workspace;
  embed::SampleArgs args;
};

/// An engine and a head that is prepared for `rows`.
class Prepared {
 public:
  explicit Prepared(std::int64_t rows,
                    const std::vector<std::uint32_t>& feature_sets = {0, GUMTILE_FEATURE_LOGPROB},
                    const embed::EngineOptions& options = engine_options())
      : engine(options),
        weights(engine, random_bf16(static_cast<std::size_t>(kVocab * kHidden), 42)),
        head(engine, head_options(weights.data())) {
    head.prepare(rows, feature_sets);
  }

  /// A batch whose workspace is initialised.
  Batch batch(std::int64_t rows, std::uint32_t data_seed = 1) {
    return Batch(engine, rows, head.workspace_size(rows), data_seed);
  }
  void init(const Batch& batch, void* stream = nullptr) {
    head.workspace_init(stream, batch.args.workspace, batch.args.workspace_bytes);
  }

  embed::Engine engine;
  Array<std::uint16_t> weights;
  embed::Head head;
};

/// The status with which `body` fails, or GUMTILE_OK; its text goes to `message`.
template <typename Body>
gumtile_status status_of(const Body& body, std::string* message = nullptr) {
  try {
    body();
  } catch (const embed::Error& error) {
    if (message != nullptr) *message = error.what();
    return error.status();
  }
  return GUMTILE_OK;
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace gumtile::test
