#include "strict_json.h"

#include <unordered_set>
#include <vector>

#include "fault.h"

namespace gumtile::io {
namespace {

using nlohmann::json;

// Headers and indexes nest three levels; the rest is room for fields of writers to come.
constexpr int kDeepest = 16;

}  // namespace

json parse_strict_json(std::string_view text, const std::string& file, std::string_view what) {
  // A DOM keeps one of two equal keys without a word, so duplicates are looked for while parsing: two readers
  // that keep different ones would see different models in the same file.
  std::vector<std::unordered_set<std::string>> keys_of_open_objects;
  const json::parser_callback_t check = [&](int depth, json::parse_event_t event, json& value) {
    switch (event) {
      case json::parse_event_t::object_start:
        keys_of_open_objects.emplace_back();
        [[fallthrough]];
      case json::parse_event_t::array_start:
        if (depth >= kDeepest)
          bad_file(file,
                   "{} is JSON nested deeper than {} levels; the file is damaged or hostile, fetch it again",
                   what, kDeepest);
        break;
      case json::parse_event_t::object_end:
        keys_of_open_objects.pop_back();
        break;
      case json::parse_event_t::key:
        if (!keys_of_open_objects.back().insert(value.get<std::string>()).second)
          bad_file(file, "{} has the key {} twice in one object, expected unique keys; write the file anew",
                   what, in_quotes(value.get<std::string>()));
        break;
      default:
        break;
    }
    return true;
  };
  json parsed;
  try {
    parsed = json::parse(text, check);
  } catch (const json::exception& error) {
    bad_file(file, "{} is not valid JSON; the file is damaged, fetch it again (parser: {})", what,
             in_quotes(std::string_view(error.what()).substr(0, 200)));
  }
  if (!parsed.is_object())
    bad_file(file, "{} is a JSON {}, expected an object; the file is not what its name says", what,
             parsed.type_name());
  return parsed;
}

}  // namespace gumtile::io
