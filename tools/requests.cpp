#include "tools/requests.h"

#include <algorithm>
#include <array>

#include "tools/call_outputs.h"
#include "tools/seeds.h"

namespace gumtile::tools {
namespace {

/// Inputs that describe memory, which the command manages itself.
constexpr std::array<std::string_view, 2> kOfMemory = {"hidden_index", "token_position"};

/// Text for the command's users that the table does not have.
struct Wording {
  std::string_view field;
  std::string_view description;
};
constexpr Wording kWordings[] = {
    {"seed",
     "one for all rows, or one per row (default: one is drawn for each row, and shown). Rows with the same "
     "seed and offset share their noise: from equal hidden states they give the same token"},
    {"row_slot", "the slot whose temperature, seed and the like a row takes; negative: the row is left out"},
};

std::string description_of(const head::Field& field) {
  for (const Wording& wording : kWordings)
    if (wording.field == field.name) return std::string(wording.description);
  const std::string text = in_one_line(field.text);
  return text.substr(0, text.find(". Null:")) + "; one for all rows, or one per row";
}

bool is_option(const head::Field& field) {
  return field.kind == head::FieldKind::input && (field.over == Over::rows || field.over == Over::slots) &&
         std::find(kOfMemory.begin(), kOfMemory.end(), field.name) == kOfMemory.end();
}

size_t size_of(const auto& values) {
  return std::visit([](const auto& list) { return list.size(); }, values);
}

}  // namespace

void Requests::add_options(CLI::App& app) {
  for (const head::Field& field : head::fields()) {
    if (!is_option(field)) continue;
    Input& input = inputs_.emplace_back(Input{&field, {}, nullptr, {}});
    if (field.absent.kind == head::Absent::Kind::value && field.feature.empty() && field.name != "seed")
      input.text = fmt::format("{}", field.absent.value);
    const bool is_number = field.type == head::FieldType::f32;
    input.option = add_text(app, option_name(field.name), input.text, is_number ? "X,..." : "N,...",
                            description_of(field))
                       ->check(not_empty("a value per row, or one for all"));
  }
}

void Requests::parse() {
  for (Input& input : inputs_) {
    if (input.text.empty()) continue;
    const std::string option = option_name(input.field->name);
    switch (input.field->type) {
      case head::FieldType::f32:
        input.values = parse_f32_list(option, input.text, input.field->non_negative);
        break;
      case head::FieldType::u64:
        input.values = parse_u64_list(option, input.text);
        break;
      case head::FieldType::i32:
        input.values = parse_i32_list(option, input.text);
        break;
      default:
        throw Error(ErrorCode::internal, fmt::format("{} has no values on the command line", option));
    }
  }
}

void Requests::spread_over(size_t rows) {
  const auto spread_one = [](Input& input, size_t count, const char* what) {
    if (input.text.empty()) return;
    std::visit([&](auto& list) { list = spread(option_name(input.field->name), list, count, what); },
               input.values);
  };
  size_t slots = rows;
  const char* what = "rows";
  for (Input& input : inputs_)
    if (input.field->over == Over::rows) spread_one(input, rows, "rows");
  if (!input("row_slot").text.empty()) {
    constexpr int32_t kMaxSlots = 1 << 20;
    int32_t last = 0;
    for (const int32_t slot : values<int32_t>("row_slot")) last = std::max(last, slot);
    if (last >= kMaxSlots)
      throw Error(ErrorCode::usage,
                  fmt::format("--row-slot: slot {} is beyond the {} slots there can be", last, kMaxSlots));
    slots = static_cast<size_t>(last) + 1;
    for (const Input& input : inputs_)
      if (input.field->over == Over::slots) slots = std::max(slots, size_of(input.values));
    what = "slots";
  }
  for (Input& input : inputs_) {
    if (input.field->over != Over::slots) continue;
    has_drawn_seeds_ |= input.field->name == "seed" && input.text.empty();
    if (input.field->name == "seed" && input.text.empty())
      input.values = draw_seeds(slots);
    else
      spread_one(input, slots, what);
  }
}

void Requests::bind(const std::shared_ptr<Engine>& engine, SampleArgs& args) {
  for (const Input& input : inputs_) {
    if (size_of(input.values) == 0) continue;
    std::visit([&](const auto& list) { copies_.push_back(DeviceArray::of(engine, list)); }, input.values);
    set_pointer(args, *input.field, copies_.back().data());
  }
}

Features Requests::features() const {
  Features features = kNoFeatures;
  for (const Input& input : inputs_)
    if (const head::FeatureBit* feature = head::find_feature(input.field->feature);
        feature != nullptr && input.option->count() != 0)
      features |= feature->bit;
  return features;
}

const Requests::Input& Requests::input(std::string_view name) const {
  return *std::find_if(inputs_.begin(), inputs_.end(),
                       [&](const Input& input) { return input.field->name == name; });
}

bool Requests::is_active(size_t row) const {
  return input("row_slot").text.empty() || values<int32_t>("row_slot")[row] >= 0;
}

const std::vector<uint64_t>& Requests::seeds() const { return values<uint64_t>("seed"); }

uint64_t Requests::seed_of(size_t row) const {
  return seeds()[input("row_slot").text.empty() ? row
                                                : static_cast<size_t>(values<int32_t>("row_slot")[row])];
}

bool Requests::is_random() const {
  constexpr float kGreedy = 1e-5F;  // below it a row takes its most likely token
  return std::ranges::any_of(values<float>("temperature"), [](float t) { return t >= kGreedy; });
}

}  // namespace gumtile::tools
