#include <array>

#include "head/settings.h"

namespace gumtile::head {
namespace {

// clang-format off
// BEGIN generated: members, from src/head/fields.cpp
constexpr std::array<ScalarSetting, 2> kScalarSettings = {
    ScalarSetting{"softcap", &HeadSettings::softcap},
    ScalarSetting{"logit_scale", &HeadSettings::logit_scale},
};
constexpr std::array<ArraySetting, 1> kArraySettings = {
    ArraySetting{"bias", &HeadSettings::bias, &HeadSettings::bias_dtype},
};
// END generated: members
// clang-format on

}  // namespace

float ScalarSetting::of(const HeadSettings& settings) const { return settings.*value_; }
void ScalarSetting::set(HeadSettings& settings, float value) const { settings.*value_ = value; }

const void* ArraySetting::data(const HeadSettings& settings) const { return settings.*data_; }
std::optional<DType> ArraySetting::dtype(const HeadSettings& settings) const { return settings.*dtype_; }
void ArraySetting::set(HeadSettings& settings, const void* data) const { settings.*data_ = data; }
void ArraySetting::set(HeadSettings& settings, const void* data, std::optional<DType> dtype) const {
  settings.*data_ = data;
  settings.*dtype_ = dtype;
}

std::span<const ScalarSetting> scalar_settings() { return kScalarSettings; }
std::span<const ArraySetting> array_settings() { return kArraySettings; }

}  // namespace gumtile::head
