#pragma once

#include <string>
#include <string_view>

#include "head/fields.h"

/// What the generated texts of all languages are put together from.
namespace gumtile::fields {

std::string upper(std::string_view text);
std::string capitalised(std::string text);
/// Several lines as one.
std::string joined_lines(std::string_view text);
/// Words of `text` in lines of at most `width`: the first after `first`, the others after `indent`.
std::string wrapped(std::string_view text, std::string_view first, std::string_view indent, size_t width);
/// As a string literal of C or Python.
std::string quoted(std::string_view text);

/// A field's shape in words: "[rows]", "one word".
std::string_view shape(Over over);
/// The dtype of a field's elements as numpy calls it; "hidden" and "token" are the head's, "own" is said by
/// another member, and what has no elements has none.
std::string_view dtype_name(head::FieldType type);
/// What a status bit stands for.
std::string status_text(const head::StatusBit& bit);

}  // namespace gumtile::fields
