#include "head_names.h"

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <string>
#include <vector>

namespace gumtile::io {
namespace {

using Words = std::initializer_list<std::string_view>;

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find_first_of(separators);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::vector<std::string_view> components(std::string_view name) { return split(name, "./"); }

bool is_one_of(std::string_view word, Words words) { return std::ranges::find(words, word) != words.end(); }

bool has_word(std::string_view component, Words words) {
  return std::ranges::any_of(split(component, "_-"),
                             [&](std::string_view word) { return is_one_of(word, words); });
}

bool is_number(std::string_view component) {
  return !component.empty() && component.find_first_not_of("0123456789") == std::string_view::npos;
}

bool any_component(std::string_view name, bool (*holds)(std::string_view)) {
  const std::string lower = in_lower_case(name);
  return std::ranges::any_of(components(lower), holds);
}

/// "lm_head", "lm_heads", "LMHead", "embed_out", …
bool is_head_component(std::string_view component) {
  std::string letters;
  for (const char c : component)
    if (c != '_' && c != '-') letters += c;
  const std::string_view text = letters;
  return text.find("lmhead") != std::string_view::npos || text.find("unembed") != std::string_view::npos ||
         text.find("embedout") != std::string_view::npos ||
         is_one_of(text, {"outputlayer", "logits", "tologits", "lmloss", "predlayer", "predictions",
                          "finallogitsbias", "outputembeddings", "outputembedding"});
}

bool is_head_like_component(std::string_view component) {
  if (has_word(component, {"norm", "ln", "layernorm", "attn", "attention"})) return false;
  return is_head_component(component) ||
         is_one_of(component, {"output", "outputs", "output_proj", "output_projection", "proj_out",
                               "classifier", "score", "generator", "readout", "qa_outputs"}) ||
         has_word(component, {"head", "heads", "logit", "logits"});
}

/// Models that draft tokens, or that read or write something other than text.
bool is_other_model(std::string_view component) {
  return has_word(component,
                  {"mtp", "medusa", "eagle", "draft", "drafter", "speculator", "talker", "predictor", "codec",
                   "depth", "vision", "visual", "image", "vit", "audio", "speech", "tts"});
}

bool is_embedding_component(std::string_view component) {
  return has_word(component, {"embed", "embedding", "embeddings", "emb", "embd", "wte", "wpe", "shared"});
}

}  // namespace

std::string_view module_of(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

bool is_plain_head(std::string_view name) {
  constexpr std::string_view kHead = "lm_head.weight";
  if (!name.ends_with(kHead)) return false;
  const std::string_view around = name.substr(0, name.size() - kHead.size());
  if (around.empty()) return true;
  if (!around.ends_with('.')) return false;
  return !any_component(around.substr(0, around.size() - 1), [](std::string_view component) {
    return is_number(component) || is_head_component(component) || is_other_model(component);
  });
}

bool is_head_part(std::string_view name) { return any_component(name, is_head_component); }

bool may_be_head_part(std::string_view name) {
  if (is_head_part(name)) return true;
  const std::string lower = in_lower_case(name);
  for (const std::string_view component : components(lower)) {
    if (is_number(component) || is_other_model(component)) return false;
    if (is_head_like_component(component)) return true;
  }
  return false;
}

bool is_other_head_matrix(std::string_view name) {
  const std::vector<std::string_view> parts = components(name);
  if (parts.size() < 2 || parts.back() != "weight" || is_in_layer(name)) return false;
  return is_one_of(parts[parts.size() - 2], {"output", "embed_out", "output_layer", "head"});
}

bool is_token_embedding(std::string_view name) {
  const std::vector<std::string_view> parts = components(name);
  if (parts.size() < 2 || parts.back() != "weight" || is_in_layer(name)) return false;
  return is_one_of(parts[parts.size() - 2],
                   {"embed_tokens", "wte", "embed_in", "tok_embeddings", "token_embd", "word_embeddings",
                    "embeddings", "embedding", "word_embedding", "shared", "emb"}) &&
         !any_component(name, is_other_model);
}

bool is_any_embedding(std::string_view name) { return any_component(name, is_embedding_component); }

bool is_bias(std::string_view name) {
  const std::string lower = in_lower_case(name);
  return has_word(components(lower).back(), {"bias"});
}

bool is_logit_factor(std::string_view name) {
  const std::string lower = in_lower_case(name);
  const std::string_view last = components(lower).back();
  return has_word(last, {"logit", "logits"}) &&
         has_word(last, {"scale", "scaling", "cap", "softcap", "multiplier"});
}

bool is_never_head(std::string_view name) {
  return any_component(name, [](std::string_view component) {
    return has_word(component,
                    {"scale", "scales", "zeros", "zero", "qzeros", "absmax", "scb", "packed", "idx", "lora",
                     "bias", "biases", "norm", "ln", "layernorm", "pos", "position", "positions", "wpe"}) ||
           has_word(component, {"score", "classifier", "classification", "qa", "pooler", "reward", "value",
                                "regression", "inv", "rotary"});
  });
}

bool is_in_layer(std::string_view name) {
  const std::vector<std::string_view> parts = components(name);
  return std::ranges::any_of(parts, is_number);
}

}  // namespace gumtile::io
