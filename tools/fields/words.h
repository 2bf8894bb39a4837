#pragma once

#include <string>
#include <string_view>

#include "head/fields.h"

/// Building blocks of the generated texts in all languages.
namespace gumtile::fields {

std::string upper(std::string_view text);
std::string capitalised(std::string text);
/// Replaces every `from` in `text`.
std::string replaced(std::string text, std::string_view from, std::string_view to);
/// Joins several lines into one.
std::string joined_lines(std::string_view text);
/// The words of `text` in lines of at most `width` columns. The first line begins with `first`, the others
/// with `indent`.
std::string wrapped(std::string_view text, std::string_view first, std::string_view indent, size_t width);
/// `text` as a string literal of C or Python.
std::string quoted(std::string_view text);

/// A field's shape in words: "[rows]", "one word".
std::string_view shape(Over over);
/// numpy's name of the dtype of a field's elements; "hidden" and "token" are dtypes of the head. Empty if
/// another member gives the dtype, or if the field has no elements.
std::string_view dtype_name(head::FieldType type);
/// The meaning of a status bit, in words.
std::string status_text(const head::StatusBit& bit);

}  // namespace gumtile::fields
