#include "strict_json.h"

#include <unordered_set>
#include <vector>

#include "fault.h"

namespace gumtile::io {
namespace {

using nlohmann::json;

// Headers and indexes nest three levels; the rest is room for fields of writers to come.
constexpr size_t kDeepest = 16;

/// Throws on deep nesting and on duplicate keys. A DOM keeps one of two equal keys without a word, and two
/// readers that keep different ones would see different models in the same file.
///
/// This is a pass of its own because the parser's callback, which could check while the DOM is built, makes
/// parsing quadratic: nlohmann-json 3.11 walks over the parent's members at the end of each object. A header
/// of 40,000 tensors took 25 s of CPU time so, against 0.1 s for a parse without callback.
class StructureCheck : public nlohmann::json_sax<json> {
 public:
  StructureCheck(const std::string& file, std::string_view what) : file_(file), what_(what) {}

  bool start_object(size_t) override { return open(); }
  bool start_array(size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& key) override {
    if (!keys_.back().insert(key).second)
      bad_file(file_, "{} has the key {} twice in one object, expected unique keys; write the file anew",
               what_, in_quotes(key));
    return true;
  }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(int64_t) override { return true; }
  bool number_unsigned(uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(json::binary_t&) override { return true; }
  bool parse_error(size_t, const std::string&, const json::exception&) override { return false; }

 private:
  bool open() {
    if (keys_.size() >= kDeepest)
      bad_file(file_,
               "{} is JSON nested deeper than {} levels; the file is damaged or hostile, fetch it again",
               what_, kDeepest);
    keys_.emplace_back();
    return true;
  }

  bool close() {
    keys_.pop_back();
    return true;
  }

  const std::string& file_;
  std::string_view what_;
  std::vector<std::unordered_set<std::string>> keys_;  ///< of the open objects and arrays; none in an array
};

}  // namespace

json parse_strict_json(std::string_view text, const std::string& file, std::string_view what) {
  StructureCheck check(file, what);
  json parsed;
  try {
    json::sax_parse(text, &check);  // a syntax error ends it early, and is then met again and reported below
    parsed = json::parse(text);
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
