#include "tools/fields/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace gumtile::fields {

using head::FieldType;

std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return result;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

std::string joined_lines(std::string_view text) {
  std::string result(text);
  std::replace(result.begin(), result.end(), '\n', ' ');
  return result;
}

std::string capitalised(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

std::string wrapped(std::string_view text, std::string_view first, std::string_view indent, size_t width) {
  std::string result, line(first);
  bool empty = true;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!empty && line.size() + 1 + word.size() > width) {
      result += line + "\n";
      line = indent;
      empty = true;
    }
    if (!empty) line += ' ';
    line += word;
    empty = false;
  }
  return result + line;
}

std::string_view shape(Over over) {
  switch (over) {
    case Over::one:
      return "one word";
    case Over::rows:
      return "[rows]";
    case Over::slots:
      return "[slots]";
    case Over::vocab:
      return "[vocab_size]";
    case Over::rows_hidden:
      return "[rows, hidden_size]";
  }
  return "";
}

std::string status_text(const head::StatusBit& bit) {
  return fmt::format("{}{}", bit.text, bit.fails ? ": the row failed" : "");
}

std::string_view dtype_name(FieldType type) {
  switch (type) {
    case FieldType::hidden:
      return "hidden";
    case FieldType::token:
      return "token";
    case FieldType::i32:
      return "int32";
    case FieldType::u32:
      return "uint32";
    case FieldType::i64:
      return "int64";
    case FieldType::u64:
      return "uint64";
    case FieldType::f32:
      return "float32";
    default:
      break;
  }
  return "";
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

}  // namespace gumtile::fields
