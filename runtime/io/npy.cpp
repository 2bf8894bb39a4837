// NumPy's .npy: magic, version, header length, then a Python dict literal of descr, fortran_order and shape,
// then the data. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include "fault.h"
#include "mapped_file.h"

namespace gumtile {
namespace io {
namespace {

struct NpyHeader {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<int64_t>> shape;
};

/// Reads the literal: only what NumPy writes for an array of a plain dtype.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& file) : rest_(text), file_(file) {}

  NpyHeader parse() {
    NpyHeader header;
    expect('{');
    while (!accept('}')) {
      const std::string key = string_literal();
      expect(':');
      if (key == "descr")
        set(header.descr, descr(), key);
      else if (key == "fortran_order")
        set(header.fortran_order, boolean(), key);
      else if (key == "shape")
        set(header.shape, tuple(), key);
      else
        fail(fmt::format("has the unknown key {}", in_quotes(key)));
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (!rest_.empty()) fail(fmt::format("goes on after its dict with {}", in_quotes(rest_.substr(0, 20))));
    if (!header.descr || !header.fortran_order || !header.shape) fail("lacks a key");
    return header;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    bad_file(file_,
             "the .npy header {}, expected a dict of descr, fortran_order and shape; save the array anew",
             what);
  }

  template <typename T>
  void set(std::optional<T>& field, T value, std::string_view key) const {
    if (field) fail(fmt::format("has the key {} twice", in_quotes(key)));
    field = std::move(value);
  }

  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size())); }

  bool accept(char c) {
    skip_space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail(fmt::format("has {} where '{}' belongs", in_quotes(rest_.substr(0, 20)), c));
  }

  std::string string_literal() {
    skip_space();
    const char quote = rest_.empty() ? '\0' : rest_.front();
    const size_t end = quote == '\'' || quote == '"' ? rest_.find(quote, 1) : std::string_view::npos;
    if (end == std::string_view::npos)
      fail(fmt::format("has {} where a string belongs", in_quotes(rest_.substr(0, 20))));
    std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return text;
  }

  std::string descr() {
    skip_space();
    if (rest_.starts_with('['))
      bad_file(file_, "holds a structured array, expected one of '<f4' or '<f2'; save one field of it");
    return string_literal();
  }

  bool boolean() {
    skip_space();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return value;
      }
    }
    fail(fmt::format("has {} where True or False belongs", in_quotes(rest_.substr(0, 20))));
  }

  int64_t integer() {
    skip_space();
    const size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    if (digits == 0) fail(fmt::format("has {} where a size belongs", in_quotes(rest_.substr(0, 20))));
    int64_t value = 0;
    for (const char digit : rest_.substr(0, digits))
      if (__builtin_mul_overflow(value, int64_t{10}, &value) ||
          __builtin_add_overflow(value, digit - '0', &value))
        fail("has a size over 2^63-1");
    rest_.remove_prefix(digits);
    accept('L');  // Python 2 wrote longs like this
    return value;
  }

  std::vector<int64_t> tuple() {
    std::vector<int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      sizes.push_back(integer());
      if (!accept(',')) {
        expect(')');
        if (sizes.size() == 1) fail("has a shape that is no tuple");
        break;
      }
    }
    return sizes;
  }

  std::string_view rest_;
  const std::string& file_;
};

/// Splits the file into the header's text and the data.
std::pair<std::string_view, std::span<const std::byte>> split_file(const MappedFile& file) {
  constexpr std::string_view kMagic = "\x93NUMPY";
  const std::string_view text = file.text();
  const std::string& path = file.path();
  if (!text.starts_with(kMagic)) bad_file(path, "does not begin with NumPy's magic; this is no .npy file");
  if (text.size() < kMagic.size() + 2)
    bad_file(path, "ends within the version; the file is truncated, save it anew");
  const int major = static_cast<unsigned char>(text[6]);
  const int minor = static_cast<unsigned char>(text[7]);
  if (major < 1 || major > 3 || minor != 0)
    bad_file(path, "is of .npy version {}.{}, expected 1.0, 2.0 or 3.0; save it with a plain numpy.save",
             major, minor);
  const size_t length_bytes = major == 1 ? 2 : 4;
  const size_t header_begin = 8 + length_bytes;
  if (text.size() < header_begin)
    bad_file(path, "ends within the header length; the file is truncated, save it anew");
  uint32_t length = 0;
  std::memcpy(&length, text.data() + 8, length_bytes);
  if (length > text.size() - header_begin)
    bad_file(path,
             "the header length is {} bytes, but only {} follow it; the file is truncated, save it anew",
             length, text.size() - header_begin);
  return {text.substr(header_begin, length), file.bytes().subspan(header_begin + length)};
}

DType dtype_of(const std::string& descr, const TensorFileOptions& options, const std::string& path) {
  if (descr == "<f4") return DType::f32;
  if (descr == "<f2") return DType::f16;
  if (descr == "<u2" || descr == "|V2" || descr == "<V2") {
    if (options.npy_u16_is_bf16) return DType::bf16;
    bad_file(path,
             "has dtype {}, which may be the bits of bf16 or not, expected '<f4' or '<f2'; ask for it to be "
             "read as "
             "bf16, or save float32",
             in_quotes(descr));
  }
  bad_file(path, "has dtype {}, expected '<f4' or '<f2'; save array.astype('<f4')", in_quotes(descr));
}

}  // namespace
}  // namespace io

TensorFile open_npy(const std::string& path, const TensorFileOptions& options) {
  using namespace io;
  const auto file = MappedFile::open(path);
  const auto [text, data] = split_file(*file);
  NpyHeader header = HeaderParser(text, path).parse();
  const DType dtype = dtype_of(*header.descr, options, path);
  if (*header.fortran_order)
    bad_file(path, "is in Fortran order, expected C order; save numpy.ascontiguousarray(array)");

  std::vector<int64_t>& shape = *header.shape;
  uint64_t bytes = size_bytes(dtype);
  for (const int64_t size : shape)
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes))
      bad_file(path, "has shape {}, whose size in bytes overflows 64 bits; save the array anew",
               shape_text(shape));
  if (bytes != data.size())
    bad_file(path, "{} of shape {} takes {} bytes, but {} follow the header; {}", name(dtype),
             shape_text(shape), bytes, data.size(),
             bytes > data.size() ? "the file is truncated, save it anew"
                                 : "save one array to a file, and nothing else");
  if (shape.size() == 1) shape.insert(shape.begin(), 1);
  return tensor_in(file, "", dtype, std::move(shape), data);
}

}  // namespace gumtile
