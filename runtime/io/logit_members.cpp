#include "logit_members.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string_view>

namespace gumtile::io {
namespace {

using nlohmann::json;

/// The value, beside null, for which a member changes nothing.
enum class Identity {
  one,          ///< a factor or divisor
  zero,         ///< a cap that is off, a bias that is not there
  hidden_size,  ///< a width that the hidden size is divided by
};

struct KnownMember {
  std::string_view name;
  Identity identity;
};

constexpr KnownMember kKnownMembers[] = {
    {"logit_scale", Identity::one},     // Cohere, MPT: a factor
    {"logits_scaling", Identity::one},  // Granite: a divisor
    {"logits_scale", Identity::one},
    {"logit_multiplier", Identity::one},
    {"logits_multiplier", Identity::one},
    {"lm_head_multiplier", Identity::one},  // Falcon-H1
    {"output_multiplier", Identity::one},
    {"output_multiplier_scale", Identity::one},  // Grok
    {"output_logits_scale", Identity::one},      // Cerebras-GPT
    {"mup_output_alpha", Identity::one},         // BTLM, Jais
    {"mup_width_scale", Identity::one},          // BTLM, Jais: the other factor
    {"mup_width_multiplier", Identity::one},     // Phi-3-small: a divisor
    {"dim_model_base", Identity::hidden_size},   // MiniCPM: logits of hidden / (hidden_size / dim_model_base)
    {"final_logit_softcapping", Identity::zero},  // Gemma
    {"final_logit_softcap", Identity::zero},
    {"final_logits_soft_cap", Identity::zero},
    {"logits_soft_cap", Identity::zero},  // RecurrentGemma
    {"logit_softcap", Identity::zero},
    {"logit_cap", Identity::zero},
    {"output_logit_soft_cap", Identity::zero},  // xLSTM
    {"lm_head_bias", Identity::zero},
    {"scale_decoder_outputs", Identity::zero},  // T5: a factor of the hidden states
};

/// Members of future models, recognised by their words: "logit" or "lm_head" with a factor, cap or bias.
std::optional<Identity> identity_by_words(std::string_view name) {
  const auto has_any = [&](std::initializer_list<std::string_view> words) {
    return std::ranges::any_of(
        words, [&](std::string_view word) { return name.find(word) != std::string_view::npos; });
  };
  if (!has_any({"logit", "lm_head", "lmhead"})) return std::nullopt;
  if (has_any({"attn", "attention", "qk", "router", "gate", "moe", "expert", "loss", "init", "quant"}))
    return std::nullopt;
  if (has_any({"cap", "bias", "clamp", "clip"})) return Identity::zero;
  if (has_any({"scal", "mult", "factor", "temperature", "divisor", "alpha"})) return Identity::one;
  return std::nullopt;
}

std::optional<Identity> identity_of(std::string_view name) {
  const auto* known = std::ranges::find(kKnownMembers, name, &KnownMember::name);
  if (known == std::end(kKnownMembers)) return identity_by_words(name);
  return known->identity;
}

bool changes_nothing(const json& value, Identity identity, const json& config) {
  if (value.is_null()) return true;
  if (value.is_boolean()) return !value.get<bool>();
  if (!value.is_number()) return value.is_array() || value.is_object();  // not a number that changes logits
  const auto number = value.get<double>();
  if (identity == Identity::one) return number == 1;
  if (identity == Identity::zero) return number == 0;
  for (const char* name : {"hidden_size", "n_embd", "d_model"})
    if (const auto size = config.find(name); size != config.end() && size->is_number())
      return number == size->get<double>();
  return false;
}

}  // namespace

std::vector<LogitMember> logit_members(const json& config, const std::string& prefix) {
  std::vector<LogitMember> members;
  for (const auto& [name, value] : config.items()) {
    const std::optional<Identity> identity = identity_of(name);
    if (!identity || changes_nothing(value, *identity, config)) continue;
    members.push_back({prefix.empty() ? name : prefix + "." + name,
                       value.dump(-1, ' ', false, json::error_handler_t::replace)});
  }
  return members;
}

}  // namespace gumtile::io
