#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "gumtile/head_settings.h"

/// The members of HeadSettings by name, for code that treats all of them alike: options of the command,
/// files, packs.
namespace gumtile::head {

struct Field;

class ScalarSetting {
 public:
  constexpr ScalarSetting(std::string_view of, float HeadSettings::*value) : name(of), value_(value) {}

  std::string_view name;
  float of(const HeadSettings& settings) const;  ///< 0: none
  void set(HeadSettings& settings, float value) const;

 private:
  float HeadSettings::*value_;
};

class ArraySetting {
 public:
  constexpr ArraySetting(std::string_view of, const void* HeadSettings::*data,
                         std::optional<DType> HeadSettings::*dtype)
      : name(of), data_(data), dtype_(dtype) {}

  std::string_view name;
  const void* data(const HeadSettings& settings) const;
  std::optional<DType> dtype(const HeadSettings& settings) const;  ///< none: the head has no such array
  void set(HeadSettings& settings, const void* data) const;
  void set(HeadSettings& settings, const void* data, std::optional<DType> dtype) const;

 private:
  const void* HeadSettings::*data_;
  std::optional<DType> HeadSettings::*dtype_;
};

std::span<const ScalarSetting> scalar_settings();
std::span<const ArraySetting> array_settings();

/// Throws Error(usage) if a setting is not a number that its row of the table allows, or an array has a type
/// that matrices cannot have.
void check_settings(const HeadSettings& settings);
/// Whether the row of the table allows a number.
bool is_allowed(const Field& option, float value);

/// The settings that are present, as "softcap=30,bias=bf16"; empty if there are none. For an array it has
/// only the type.
std::string settings_text(const HeadSettings& settings);
/// The inverse; empty for any other text.
std::optional<HeadSettings> parse_settings(std::string_view text);

}  // namespace gumtile::head
