#include <doctest/doctest.h>

#include "runtime/io/model_config.h"
#include "tensor_file_fixture.h"

using namespace gumtile;
using namespace gumtile::test;

namespace {

io::ModelConfig read(const std::string& text) {
  const TemporaryFolder folder;
  write_file(folder / "config.json", text);
  return io::read_model_config(folder / "config.json");
}

}  // namespace

TEST_CASE("a model's configuration") {
  io::ModelConfig config = read(R"({"vocab_size": 1000, "hidden_size": 64, "torch_dtype": "float16"})");
  CHECK(config.vocab_size.value == 1000);
  CHECK(config.hidden_size.value == 64);
  CHECK(config.dtype == DType::f16);
  CHECK_FALSE(config.tied);
  config = read(R"({"dtype": "bfloat16", "text_config": {"vocab_size": 7, "hidden_size": 8}})");
  CHECK(config.vocab_size.value == 7);
  CHECK(config.dtype == DType::bf16);
  config = read(R"({"vocab_size": 7, "hidden_size": 8, "torch_dtype": null})");
  CHECK_FALSE(config.dtype);
  CHECK(config.dtype_text.empty());
  for (const char* other : {"auto", "float8_e4m3fn"}) {
    config = read(std::string(R"({"torch_dtype": ")") + other + "\"}");
    CHECK_FALSE(config.dtype);
    CHECK(config.dtype_text == other);
  }
}

TEST_CASE("the text model's own configuration comes first, under each of its names") {
  for (const char* name : {"text_config", "llm_config", "language_config", "thinker_config"}) {
    CAPTURE(name);
    const io::ModelConfig config =
        read(R"({"vocab_size": 1, "hidden_size": 2, "tie_word_embeddings": true, ")" + std::string(name) +
             R"(": {"vocab_size": 7, "torch_dtype": "float32"}})");
    CHECK(config.vocab_size.value == 7);
    CHECK(config.hidden_size.value == 2);
    CHECK(config.dtype == DType::f32);
    CHECK(config.tied == true);
  }
  const io::ModelConfig nested =
      read(R"({"thinker_config": {"text_config": {"vocab_size": 7, "d_model": 8}}})");
  CHECK(nested.vocab_size.value == 7);
  CHECK(nested.hidden_size.value == 8);
}

TEST_CASE("sizes under other names, and sizes that make no sense") {
  CHECK(read(R"({"n_vocab": 7, "n_embd": 8})").vocab_size.value == 7);
  CHECK(read(R"({"n_vocab": 7, "n_embd": 8})").hidden_size.value == 8);
  CHECK(read(R"({"padded_vocab_size": 7, "d_model": 8})").vocab_size.value == 7);
  for (const char* size :
       {R"("7")", "0", "-1", "1e30", "7.5", "[7]", "4294967296", "18446744073709551615", "NaN"}) {
    CAPTURE(size);
    const io::ConfigSize vocab_size =
        read(std::string(R"({"hidden_size": 8, "vocab_size": )") + size + "}").vocab_size;
    CHECK_FALSE(vocab_size.value);
    CHECK(vocab_size.fault.find("vocab_size") != std::string::npos);
  }
  CHECK(read(R"({"hidden_size": 8})").vocab_size.fault.find("no 'vocab_size'") != std::string::npos);
}

TEST_CASE("numbers as Python's json module writes them") {
  const io::ModelConfig config = read(
      R"({"time_step_limit": [0.0, Infinity], "low": -Infinity, "rate": NaN, "text": "NaN \"Infinity", "vocab_size": 7})");
  CHECK(config.vocab_size.value == 7);
  for (const char* bad : {R"({"a": nan})", R"({"a": Infinite})", R"({"a": NaNNaN})"})
    check_error(ErrorCode::bad_data, {"config.json", "JSON"}, [&] { read(bad); });
}

TEST_CASE("a configuration that is not JSON to its end is refused") {
  const std::string good = R"({"vocab_size": 7})";
  CHECK(read(good + "\n").vocab_size.value == 7);
  for (const std::string& bad :
       {std::string("{"), std::string("[]"), std::string(), good + "x", good + std::string(1, '\0'),
        good + std::string("\0{}", 3), std::string("{\"a\0b\": 1}", 10)})
    check_error(ErrorCode::bad_data, {"config.json"}, [&] { read(bad); });
  check_error(ErrorCode::io, {"missing"}, [] { io::read_model_config("missing/config.json"); });
}
