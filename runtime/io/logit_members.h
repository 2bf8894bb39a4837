#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace gumtile::io {

/// A member of a config.json that changes logits after the head's product.
struct LogitMember {
  std::string name;   ///< with the objects that contain it, "text_config.final_logit_softcapping"
  std::string value;  ///< as JSON
};

/// Those of `config`, an object called `prefix` ("" for the outermost), whose value changes logits. Not those
/// of nested objects.
std::vector<LogitMember> logit_members(const nlohmann::json& config, const std::string& prefix);

}  // namespace gumtile::io
