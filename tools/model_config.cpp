#include "tools/model_config.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <string_view>

#include "gumtile/error.h"
#include "runtime/io/fault.h"
#include "runtime/io/mapped_file.h"
#include "runtime/io/strict_json.h"

namespace gumtile::tools {
namespace {

using PlainJson = nlohmann::json;

/// A member of the text model's configuration, else of the whole; null where there is none.
const PlainJson* find_member(const PlainJson& config, const char* name) {
  if (const auto text = config.find("text_config"); text != config.end() && text->is_object())
    if (const auto member = text->find(name); member != text->end() && !member->is_null()) return &*member;
  const auto member = config.find(name);
  return member == config.end() || member->is_null() ? nullptr : &*member;
}

int64_t size_member(const PlainJson& config, const char* name, const std::string& file) {
  const PlainJson* member = find_member(config, name);
  if (member == nullptr) io::bad_file(file, "has no '{}'; give the sizes as options instead", name);
  constexpr int64_t kMost = int64_t{1} << 31;
  if (!member->is_number_integer() || member->get<int64_t>() < 1 || member->get<int64_t>() > kMost)
    io::bad_file(file, "'{}' is {}, expected an integer from 1 to {}", name,
                 io::in_quotes(member->dump(-1, ' ', false, PlainJson::error_handler_t::replace)), kMost);
  return member->get<int64_t>();
}

DType dtype_member(const PlainJson& config, const std::string& file) {
  const PlainJson* member = find_member(config, "torch_dtype");
  if (member == nullptr) member = find_member(config, "dtype");
  if (member == nullptr) return DType::bf16;
  const std::string name = member->is_string() ? member->get<std::string>() : std::string();
  if (name == "bfloat16") return DType::bf16;
  if (name == "float16") return DType::f16;
  if (name == "float32") return DType::f32;
  io::bad_file(file, "its weights are of type {}, expected bfloat16, float16 or float32; give --dtype",
               io::in_quotes(name));
}

}  // namespace

ModelConfig read_model_config(const std::string& folder) {
  const std::string file = (std::filesystem::path(folder) / "config.json").string();
  const PlainJson config =
      io::parse_strict_json(io::MappedFile::open(file)->text(), file, "the configuration");
  return {size_member(config, "vocab_size", file), size_member(config, "hidden_size", file),
          dtype_member(config, file)};
}

}  // namespace gumtile::tools
