#include <fmt/format.h>

#include <charconv>

#include "gumtile/error.h"
#include "ir/ops.h"
#include "ir/reduction_kind.h"

namespace gumtile {
namespace {

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  size_t at = 0;
  while ((at = text.find_first_not_of(separators, at)) != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(separators, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end;
  }
  return parts;
}

/// Reads the printer's text line by line; each statement's first word says what it is.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Program run() {
    size_t at = 0;
    while (at < text_.size()) {
      const size_t end = std::min(text_.find('\n', at), text_.size());
      ++line_;
      std::string_view line = text_.substr(at, end - at);
      at = end + 1;
      words_ = split(line.substr(0, line.find(';')), " \t\r");
      next_ = 0;
      if (!words_.empty()) statement();
    }
    if (in_reduction_) fail("the reduction before the end has no 'yield'");
    recognise_reductions(program_);
    verify(program_);
    return std::move(program_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorCode::bad_data, fmt::format("Program text, line {}: {}", line_, message));
  }

  bool done() const { return next_ == words_.size(); }
  std::string_view word(const char* expected) {
    if (done()) fail(fmt::format("expected {}, found the end of the line", expected));
    return words_[next_++];
  }
  void keyword(std::string_view expected) {
    const std::string_view found = word("a keyword");
    if (found != expected) fail(fmt::format("expected '{}', found '{}'", expected, found));
  }
  bool accept(std::string_view text) {
    if (done() || words_[next_] != text) return false;
    ++next_;
    return true;
  }

  uint64_t number(std::string_view text) const {
    const bool hex = text.starts_with("0x");
    uint64_t value = 0;
    const char* begin = text.data() + (hex ? 2 : 0);
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value, hex ? 16 : 10);
    if (error != std::errc() || end != text.data() + text.size() || end == begin)
      fail(fmt::format("expected a number, found '{}'", text));
    return value;
  }
  /// The bits of a value of type `type`, written as a hexadecimal or decimal number, or as a negative decimal
  /// number.
  uint64_t bits(DType type, const char* expected) {
    const std::string_view text = word(expected);
    if (!text.starts_with('-')) return number(text);
    const uint64_t magnitude = number(text.substr(1));
    const uint64_t most = size_bytes(type) == 8 ? uint64_t{1} << 63 : uint64_t{1} << 31;
    if (!is_signed_integer(type)) fail(fmt::format("'{}' is negative, which {} cannot be", text, name(type)));
    if (magnitude > most) fail(fmt::format("'{}' does not fit {}", text, name(type)));
    const uint64_t value = uint64_t{0} - magnitude;
    return size_bytes(type) == 8 ? value : static_cast<uint32_t>(value);
  }
  NodeId reference(char sigil) {
    const std::string_view text = word("an operand");
    if (text.front() != sigil) fail(fmt::format("expected an operand {}N, found '{}'", sigil, text));
    const uint64_t id = number(text.substr(1));
    if (id >= kNone) fail(fmt::format("operand '{}' is out of range", text));
    return static_cast<NodeId>(id);
  }
  DType dtype() {
    const std::string_view text = word("a type");
    const auto parsed = parse_dtype(text);
    if (!parsed) fail(fmt::format("unknown type '{}'", text));
    return *parsed;
  }
  template <typename List>
  uint32_t named(const List& list, std::string_view text, const char* what) const {
    for (uint32_t i = 0; i < list.size(); ++i)
      if (list[i].name == text) return i;
    fail(fmt::format("unknown {} '{}'", what, text));
  }
  AxisId axis() { return named(program_.axes, word("an axis"), "axis"); }

  void statement() {
    const std::string_view first = words_[next_++];
    if (in_reduction_) return reduction_body(first);
    if (first == "program") {
      program_.name = word("a name");
    } else if (first == "axis") {
      AxisInfo info{std::string(word("a name"))};
      if (accept("=")) {
        const std::string_view kind = word("group or member");
        if (kind != "group" && kind != "member")
          fail(fmt::format("expected group or member, found '{}'", kind));
        info.kind = kind == "group" ? AxisInfo::Kind::group : AxisInfo::Kind::member;
        info.parent = axis();
        const uint64_t mask = number(word("a mask"));
        if (mask > 0xffffffffu) fail(fmt::format("the mask {:#x} is wider than 32 bits", mask));
        info.member_mask = static_cast<uint32_t>(mask);
      }
      program_.axes.push_back(std::move(info));
    } else if (first == "rows") {
      program_.row_axis = axis();
    } else if (first == "columns") {
      program_.column_axis = axis();
    } else if (first == "input") {
      InputInfo info{std::string(word("a name")), dtype(), {}, false};
      for (std::string_view part : split(word("axes"), "[],"))
        info.axes.push_back(named(program_.axes, part, "axis"));
      info.optional = accept("optional");
      program_.inputs.push_back(std::move(info));
    } else if (first == "contraction") {
      ContractionInfo info;
      info.left = named(program_.inputs, word("an input"), "input");
      info.right = named(program_.inputs, word("an input"), "input");
      keyword("over");
      info.axis = axis();
      keyword("as");
      info.operand_dtype = dtype();
      if (accept("gather")) info.left_index = named(program_.inputs, word("an input"), "input");
      program_.contractions.push_back(info);
    } else if (first == "reduction") {
      reduction_head();
    } else if (first == "guard") {
      program_.row_guard = reference('%');
    } else if (first == "output") {
      output();
    } else if (first.front() == '%') {
      node(program_.nodes, first, '%');
    } else {
      fail(fmt::format("unknown statement '{}'", first));
    }
    if (!done()) fail(fmt::format("'{}' is not expected here", words_[next_]));
  }

  void reduction_head() {
    ReductionInfo info;
    info.name = word("a name");
    keyword("over");
    info.axis = axis();
    keyword("state");
    while (!done() && !accept("bound")) {
      info.state.push_back(dtype());
      info.identity.push_back(bits(info.state.back(), "identity bits"));
      if (done()) break;
      if (words_[next_] == "bound") {
        ++next_;
        info.bound = reference('%');
        break;
      }
    }
    program_.reductions.push_back(std::move(info));
    in_reduction_ = true;
  }

  void reduction_body(std::string_view first) {
    Lambda& combine = program_.reductions.back().combine;
    if (first == "yield") {
      while (!done()) combine.results.push_back(reference('$'));
      in_reduction_ = false;
    } else {
      node(combine.nodes, first, '$');
    }
  }

  void node(std::vector<Node>& nodes, std::string_view first, char sigil) {
    if (first.front() != sigil || number(first.substr(1)) != nodes.size())
      fail(fmt::format("expected {}{}, found '{}'", sigil, nodes.size(), first));
    Node node{};
    node.dtype = dtype();
    keyword("=");
    const std::string_view text = word("an operation");
    const auto op = parse_op(text);
    if (!op) fail(fmt::format("unknown operation '{}'", text));
    node.op = *op;
    switch (imm_kind(node.op)) {
      case ImmKind::none:
        break;
      case ImmKind::bits:
        node.imm = bits(node.dtype, "a number");
        break;
      case ImmKind::number:
        node.imm = number(word("a number"));
        break;
      case ImmKind::axis:
        node.imm = axis();
        break;
      case ImmKind::input:
        node.imm = named(program_.inputs, word("an input"), "input");
        break;
    }
    while (!done()) node.operands.push_back(reference(sigil));
    nodes.push_back(std::move(node));
  }

  void output() {
    OutputInfo info;
    info.name = word("a name");
    info.dtype = dtype();
    const std::string_view kind = word("an output kind");
    if (kind == "per_row")
      info.kind = OutputInfo::Kind::per_row;
    else if (kind == "tile")
      info.kind = OutputInfo::Kind::tile;
    else if (kind == "any")
      info.kind = OutputInfo::Kind::any;
    else
      fail(fmt::format("unknown output kind '{}'", kind));
    info.node = reference('%');
    if (accept("at")) info.position = reference('%');
    info.optional = accept("optional");
    program_.outputs.push_back(std::move(info));
  }

  std::string_view text_;
  std::vector<std::string_view> words_;
  size_t next_ = 0;
  size_t line_ = 0;
  bool in_reduction_ = false;
  Program program_;
};

}  // namespace

Program parse_program(std::string_view text) { return Parser(text).run(); }

}  // namespace gumtile
