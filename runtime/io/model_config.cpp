#include "model_config.h"

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <string_view>
#include <system_error>

#include "fault.h"
#include "head/fields.h"
#include "head/settings.h"
#include "mapped_file.h"
#include "strict_json.h"
#include "support/format.h"

namespace gumtile::io {
namespace {

using nlohmann::json;

struct Level {
  const json* object;
  std::string name;  ///< "thinker_config.text_config"; "" for the outermost
};

/// The configuration and the text models' objects in it, innermost first.
std::vector<Level> text_levels(const json& config) {
  constexpr std::string_view kTextModels[] = {"thinker_config",
                                              "text_config",
                                              "llm_config",
                                              "language_config",
                                              "language_model_config",
                                              "lm_config",
                                              "text_model_config",
                                              "language_model",
                                              "llm",
                                              "decoder"};
  std::vector<Level> levels = {{&config, ""}};
  for (size_t i = 0; i < levels.size(); ++i)
    for (const std::string_view name : kTextModels)
      if (const auto inner = levels[i].object->find(name);
          inner != levels[i].object->end() && inner->is_object())
        levels.push_back({&*inner, levels[i].name.empty() ? std::string(name)
                                                          : fmt::format("{}.{}", levels[i].name, name)});
  std::ranges::reverse(levels);
  return levels;
}

/// The first member with one of these names whose value is not null; null if there is none.
const json* find_member(const std::vector<Level>& levels, std::initializer_list<const char*> names) {
  for (const Level& level : levels)
    for (const char* name : names)
      if (const auto member = level.object->find(name); member != level.object->end() && !member->is_null())
        return &*member;
  return nullptr;
}

/// The number that a member of this value gives to a setting; none if the value makes no sense.
std::optional<float> setting_of(const json& value, const head::Field& option,
                                const head::ConfigMember& member) {
  if (!value.is_number()) return std::nullopt;
  const auto number = value.get<double>();
  const auto setting = static_cast<float>(member.reciprocal ? 1 / number : number);
  return setting != 0 && head::is_allowed(option, setting) ? std::optional(setting) : std::nullopt;
}

std::string_view last_of(std::string_view name) { return name.substr(name.rfind('.') + 1); }

/// Removes the first member that the table of options has for a setting from those that change logits, and
/// applies it.
void take_setting(const std::vector<Level>& levels, const head::ScalarSetting& scalar, ModelConfig& out) {
  const head::Field& option = *head::find_head_option(scalar.name);
  for (const Level& level : levels)
    for (const head::ConfigMember& member : option.config) {
      if (member.name.empty()) continue;
      const auto found = level.object->find(member.name);
      if (found == level.object->end() || found->is_null()) continue;
      const std::string name =
          level.name.empty() ? std::string(member.name) : fmt::format("{}.{}", level.name, member.name);
      const auto changes = std::ranges::find(out.logit_members, name, &LogitMember::name);
      const std::optional<float> value = setting_of(*found, option, member);
      if (changes == out.logit_members.end() || !value) return;
      scalar.set(out.settings, *value);
      // Together with those of outer objects that say the same.
      const std::string text = changes->value;
      std::erase_if(out.logit_members, [&](const LogitMember& other) {
        return other.value == text && last_of(other.name) == member.name;
      });
      return;
    }
}

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

ConfigSize size_member(const std::vector<Level>& levels, std::initializer_list<const char*> names) {
  constexpr int64_t kMost = int64_t{1} << 31;
  const json* member = find_member(levels, names);
  if (member == nullptr) return {std::nullopt, fmt::format("has no '{}'", *names.begin())};
  if (!member->is_number_integer() || member->get<int64_t>() < 1 || member->get<int64_t>() > kMost)
    return {std::nullopt, fmt::format("has {} for '{}', expected an integer from 1 to {}",
                                      in_quotes(text_of(*member)), *names.begin(), kMost)};
  return {member->get<int64_t>(), ""};
}

std::optional<DType> dtype_named(std::string_view name) {
  constexpr std::string_view kTorch = "torch.";
  if (name.starts_with(kTorch)) name.remove_prefix(kTorch.size());
  if (name == "half") return DType::f16;
  if (name == "float") return DType::f32;
  for (const Format& format : matrix_formats())
    if (format.torch == name) return format.dtype;
  return std::nullopt;
}

std::optional<bool> tied_in(const std::vector<Level>& levels) {
  std::optional<bool> tied;
  for (const Level& level : levels)
    for (const char* name : {"tie_word_embeddings", "tie_embeddings"})
      if (const auto member = level.object->find(name); member != level.object->end() && !member->is_null())
        tied = *member != json(false) && *member != json(0) && tied.value_or(true);
  return tied;
}

bool mentions_head(std::string_view text) {
  return text.find("lm_head") != std::string_view::npos &&
         !text.starts_with("-:");  // GPTQModel: not this one
}

/// Whether a member of this name lists what is not quantised.
bool is_left_out(std::string_view name) {
  constexpr std::string_view kWords[] = {"ignore", "exclude", "skip", "not_convert", "unquantized"};
  return std::ranges::any_of(kWords, [&](std::string_view word) { return name.find(word) != name.npos; });
}

/// Whether the value of a member that is named after the head says that it is quantised.
bool is_quantisation(const json& value) {
  if (value.is_null() || (value.is_boolean() && !value.get<bool>())) return false;
  if (!value.is_object()) return true;
  const auto bits = value.find("bits");
  return bits == value.end() || !bits->is_number() || bits->get<double>() < 16;
}

/// The member of a quantisation's configuration by which the head is quantised; empty if there is none.
/// `name` is the name of `value`.
std::string quantised_head_in(const json& value, const std::string& name) {
  if (is_left_out(name)) return "";
  if (value.is_string() && mentions_head(value.get_ref<const std::string&>())) return name;
  if (!value.is_structured()) return "";
  for (const auto& [key, inner] : value.items()) {
    const std::string& inner_name = value.is_array() ? name : key;
    if (value.is_object() && mentions_head(key)) {
      if (is_quantisation(inner) && !is_left_out(key)) return key;
    } else if (std::string found = quantised_head_in(inner, inner_name); !found.empty()) {
      return found;
    }
  }
  return "";
}

}  // namespace

ModelConfig read_model_config(const std::string& path) {
  const auto file = MappedFile::open(path);
  const json config = parse_python_json(file->text(), path, "the configuration");
  const std::vector<Level> levels = text_levels(config);
  ModelConfig out;
  out.path = path;
  out.vocab_size = size_member(levels, {"vocab_size", "n_vocab", "padded_vocab_size", "vocabulary_size"});
  out.hidden_size =
      size_member(levels, {"hidden_size", "n_embd", "d_model", "n_embed", "model_dim", "dim", "embed_dim"});
  out.embedding_width = size_member(levels, {"word_embed_proj_dim"}).value;
  if (const json* dtype = find_member(levels, {"torch_dtype", "dtype"})) {
    out.dtype_text = dtype->is_string() ? dtype->get<std::string>() : text_of(*dtype);
    out.dtype = dtype_named(out.dtype_text);
  }
  out.tied = tied_in(levels);
  for (const Level& level : levels) {
    for (const char* name : {"quantization_config", "compression_config", "quantization"})
      if (const auto member = level.object->find(name);
          member != level.object->end() && out.quantised_head.empty())
        out.quantised_head = quantised_head_in(*member, name);
    std::ranges::move(logit_members(*level.object, level.name), std::back_inserter(out.logit_members));
  }
  for (const head::ScalarSetting& scalar : head::scalar_settings()) take_setting(levels, scalar, out);
  return out;
}

std::vector<std::string> unapplied_notes(const ModelConfig& config) {
  std::vector<std::string> notes;
  for (const LogitMember& member : config.logit_members)
    notes.push_back(fmt::format("{}: {} is {}, which is not applied to the logits", in_quotes(config.path),
                                in_quotes(member.name), in_quotes(member.value)));
  return notes;
}

std::string config_path_beside(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path folder = fs::is_directory(path, ignored) ? fs::path(path) : fs::path(path).parent_path();
  return (folder / "config.json").string();
}

}  // namespace gumtile::io
