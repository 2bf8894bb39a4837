#include "strict_json.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "fault.h"

namespace gumtile::io {
namespace {

using nlohmann::json;

// Headers and indexes nest three levels; the rest is room for fields of future writers.
constexpr size_t kDeepest = 16;

/// Throws on deep nesting and on duplicate keys. A DOM silently keeps one of two equal keys, and two readers
/// that keep different ones would see different models in the same file.
///
/// This is a separate pass because the parser's callback, which could check while the DOM is built, makes
/// parsing quadratic: nlohmann-json 3.11 walks over the parent's members at the end of each object. With it,
/// a header of 40,000 tensors took 25 s of CPU time, against 0.1 s for a parse without callback.
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

/// `text` with Python's words for numbers, outside of strings, in quotes.
std::string quote_python_numbers(std::string_view text) {
  constexpr std::string_view kWords[] = {"NaN", "-Infinity", "Infinity"};
  std::string out;
  out.reserve(text.size());
  bool in_string = false;
  while (!text.empty()) {
    size_t length = 1;
    if (in_string && text[0] == '\\') {
      length = std::min<size_t>(2, text.size());
    } else if (text[0] == '"') {
      in_string = !in_string;
    } else if (!in_string) {
      for (const std::string_view word : kWords)
        if (text.starts_with(word)) length = word.size();
    }
    const bool is_word = length > 2;
    if (is_word) out += '"';
    out += text.substr(0, length);
    if (is_word) out += '"';
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

json parse_strict_json(std::string_view text, const std::string& file, std::string_view what) {
  // The parser takes a null character as the end of its input and would not see what follows.
  if (const size_t null = text.find('\0'); null != std::string_view::npos)
    bad_file(file, "{} has a null character at byte {}, expected JSON up to its end; fetch the file again",
             what, null);
  StructureCheck check(file, what);
  json parsed;
  try {
    json::sax_parse(text, &check);  // a syntax error ends it early, and is found again and reported below
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

json parse_python_json(std::string_view text, const std::string& file, std::string_view what) {
  return parse_strict_json(quote_python_numbers(text), file, what);
}

}  // namespace gumtile::io
