#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "gumtile/head_program.h"

/// The members of HeadSettings by name, for what treats all of them alike: options of the command, files,
/// packs.
namespace gumtile::head {

struct ScalarSetting {
  std::string_view name;
  float HeadSettings::*value;
};

struct ArraySetting {
  std::string_view name;
  const void* HeadSettings::*data;
  std::optional<DType> HeadSettings::*dtype;
};

// clang-format off
// BEGIN generated: members, from src/head/fields.cpp
inline constexpr std::array<ScalarSetting, 0> kScalarSettings = {
};
inline constexpr std::array<ArraySetting, 0> kArraySettings = {
};
// END generated: members
// clang-format on

}  // namespace gumtile::head
