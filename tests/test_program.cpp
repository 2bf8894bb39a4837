// Programs as values and as text: printing, parsing, digests, and every diagnostic of parser and verifier.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "gumtile/dsl.h"
#include "gumtile/dsl_functions.h"
#include "gumtile/plan.h"
#include "ir/analysis.h"
#include "support/format.h"
#include "tests/program_run.h"

namespace gumtile::test {
namespace {

/// A contraction summed along its columns, with one constant of every type.
constexpr const char* kSmall = R"(program small
axis row
axis col
axis k
rows row
columns col
input a f32 [row,k]
input b f32 [col,k]
input t f32 [row] optional
contraction a b over k as f32
reduction total over col state f32 0x0
  $0 f32 = param 0
  $1 f32 = param 1
  $2 f32 = add $0 $1
  yield $2
%0 f32 = contract 0
%1 f32 = reduce 0 %0
%2 f32 = get 0 %1
%3 f32 = constant 0x3f800000
%4 u32 = constant 0x1
%5 i32 = constant 0x1
%6 u64 = constant 0x1
%7 i64 = constant 0x1
%8 pred = constant 0x1
%9 u32 = philox 10 %4 %4 %4 %4 %4 %4
output sum f32 per_row %2
)";
enum : NodeId { c_contract, c_reduce, c_get, c_f32, c_u32, c_i32, c_u64, c_i64, c_pred, c_philox };

/// A split column axis: a sum per group, the largest of those.
constexpr const char* kGrouped = R"(program grouped
axis row
axis col
axis col.group = group col 0x39
axis col.member = member col 0x39
rows row
columns col
input x f32 [row,col]
reduction inner over col.member state u32 0x0
  $0 u32 = param 0
  $1 u32 = param 1
  $2 u32 = add $0 $1
  yield $2
reduction outer over col.group state u32 0x0
  $0 u32 = param 0
  $1 u32 = param 1
  $2 u32 = max $0 $1
  yield $2
%0 u32 = index row
%1 u32 = index col
%2 f32 = load x %0 %1
%3 u32 = cast %2
%4 u32 = reduce 0 %3
%5 u32 = get 0 %4
%6 u32 = constant 0x1
%7 u32 = select_ordered col.member %3 %6
%8 u32 = reduce 1 %5
%9 u32 = get 0 %8
%10 pred = lt %0 %6
%11 pred = lt %1 %6
output best u32 per_row %9
)";
enum : NodeId {
  g_row,
  g_col,
  g_x,
  g_ux,
  g_inner,
  g_sum,
  g_one,
  g_chosen,
  g_outer,
  g_best,
  g_row_pred,
  g_col_pred
};

void check_rejected(const std::string& text, const std::vector<std::string>& parts) {
  INFO("text:\n", text);
  check_error(error_of([&] { parse_program(text); }), ErrorCode::bad_data, parts);
}
void check_rejected(const Program& program, const std::vector<std::string>& parts) {
  check_error(error_of([&] { verify(program); }), ErrorCode::bad_data, parts);
}

TEST_CASE("built-in Programs print, parse back and print the same") {
  for (const Program& program : built_in_programs()) {
    INFO(program.name);
    const std::string text = print(program);
    const Program parsed = parse_program(text);
    CHECK(parsed == program);
    CHECK(print(parsed) == text);
    CHECK(digest(parsed) == digest(program));
  }
  for (const char* text : {kSmall, kGrouped})
    CHECK(print(parse_program(print(parse_program(text)))) == print(parse_program(text)));
}

TEST_CASE("digests are stable and tell Programs apart") {
  std::map<std::string, std::string> seen;
  for (const Program& program : built_in_programs()) {
    const std::string key = digest(program);
    CHECK(key.size() == 32);
    CHECK(key.find_first_not_of("0123456789abcdef") == std::string::npos);
    INFO(program.name, " and ", seen[key]);
    CHECK(seen[key].empty());
    seen[key] = program.name;
  }
  CHECK(digest(gemm(DType::bf16, DType::bf16, DType::f32)) == "3f71498a4aa932ecdd1d456ce9935d44");
  CHECK(digest(greedy_argmax(DType::f16, DType::f32)) == "817aa5ed9736a80dae3c051cb932d87f");
}

TEST_CASE("64-bit constants keep all their bits, and signed ones may be written as numbers") {
  for (const auto& [text, bits] : {std::pair<const char*, uint64_t>{"-1", ~uint64_t{0}},
                                   {"-9223372036854775808", uint64_t{1} << 63},
                                   {"9223372036854775807", ~uint64_t{0} >> 1},
                                   {"0x8000000000000001", (uint64_t{1} << 63) + 1}}) {
    const Program p =
        parse_program(replaced(kSmall, "%7 i64 = constant 0x1", fmt::format("%7 i64 = constant {}", text)));
    CHECK(p.nodes[c_i64].imm == bits);
    CHECK(print(p).find(fmt::format("%7 i64 = constant {:#x}  ; {}\n", bits, static_cast<int64_t>(bits))) !=
          std::string::npos);
    CHECK(parse_program(print(p)) == p);
  }
  const Program small = parse_program(replaced(kSmall, "%5 i32 = constant 0x1", "%5 i32 = constant -1"));
  CHECK(small.nodes[c_i32].imm == 0xffffffff);
  std::string text = replaced(kSmall, "state f32 0x0", "state i64 -5");
  for (const char* line : {"  $0 f32", "  $1 f32", "  $2 f32", "%2 f32 = get"})
    text = replaced(text, line, replaced(line, "f32", "i64"));
  text = replaced(text, "%1 f32 = reduce 0 %0\n", "%1 i64 = cast %0\n%2 i64 = reduce 0 %1\n");
  text = text.substr(0, text.find("%2 i64 = get")) + "%3 i64 = get 0 %2\noutput sum i64 per_row %3\n";
  const Program sum = parse_program(text);
  CHECK(sum.reductions[0].identity == std::vector<uint64_t>{~uint64_t{0} - 4});
  CHECK(parse_program(print(sum)) == sum);
}

TEST_CASE("comments, blank lines and spaces do not matter") {
  const Program program = parse_program(kSmall);
  std::string text = "; a comment\n\n";
  for (char c : std::string(kSmall)) text += c == ' ' ? "\t " : c == '\n' ? " ; why\r\n" : std::string(1, c);
  CHECK(parse_program(text) == program);
  std::string unfinished = kSmall;
  unfinished.pop_back();  // no newline at the end
  CHECK(parse_program(unfinished) == program);
}

TEST_CASE("names are part of a Program, comments are not") {
  const Program a = parse_program(kSmall);
  const Program b = parse_program(replaced(kSmall, "program small", "program other"));
  CHECK(digest(a) != digest(b));
  CHECK(digest(a) == digest(parse_program(std::string(kSmall) + "; note\n")));
}

TEST_CASE("parse errors name the line") {
  struct Edit {
    const char* from;
    const char* to;
    const char* message;
  };
  const Edit edits[] = {
      {"program small", "program", "expected a name, found the end of the line"},
      {"axis row", "axes row", "unknown statement 'axes'"},
      {"axis row", "axis", "expected a name"},
      {"axis k", "axis k = part col 0x39", "expected group or member, found 'part'"},
      {"axis k", "axis k = group other 0x39", "unknown axis 'other'"},
      {"axis k", "axis k = group col many", "expected a number, found 'many'"},
      {"axis k", "axis k = group col 0x", "expected a number, found '0x'"},
      {"axis k", "axis k = group col 0x39z", "expected a number, found '0x39z'"},
      {"rows row", "rows raw", "unknown axis 'raw'"},
      {"columns col", "columns", "expected an axis"},
      {"input a f32 [row,k]", "input a f33 [row,k]", "unknown type 'f33'"},
      {"input a f32 [row,k]", "input a f32 [row,q]", "unknown axis 'q'"},
      {"input a f32 [row,k]", "input a f32", "expected axes"},
      {"input a f32 [row,k]", "input a f32 [row,k] sometimes", "'sometimes' is not expected here"},
      {"contraction a b over k as f32", "contraction a z over k as f32", "unknown input 'z'"},
      {"contraction a b over k as f32", "contraction a b along k as f32", "expected 'over', found 'along'"},
      {"contraction a b over k as f32", "contraction a b over k", "expected a keyword"},
      {"contraction a b over k as f32", "contraction a b over k as g32", "unknown type 'g32'"},
      {"reduction total over col state f32 0x0", "reduction total over z state f32 0x0", "unknown axis 'z'"},
      {"reduction total over col state f32 0x0", "reduction total over col state f32",
       "expected identity bits"},
      {"reduction total over col state f32 0x0", "reduction total over col state f32 0x0 bound",
       "expected an operand"},
      {"reduction total over col state f32 0x0", "reduction total over col state f32 0x0 bound $1",
       "expected an operand %N, found '$1'"},
      {"  $1 f32 = param 1", "  $3 f32 = param 1", "expected $1, found '$3'"},
      {"  $1 f32 = param 1", "  %1 f32 = param 1", "expected $1, found '%1'"},
      {"  $2 f32 = add $0 $1", "  $2 f32 = add $0 %1", "expected an operand $N, found '%1'"},
      {"  yield $2", "  yield 2", "expected an operand $N, found '2'"},
      {"%0 f32 = contract 0", "%1 f32 = contract 0", "expected %0, found '%1'"},
      {"%0 f32 = contract 0", "%x f32 = contract 0", "expected a number, found 'x'"},
      {"%0 f32 = contract 0", "%0 f32 contract 0", "expected '=', found 'contract'"},
      {"%0 f32 = contract 0", "%0 f32 = contrast 0", "unknown operation 'contrast'"},
      {"%0 f32 = contract 0", "%0 f32 =", "expected an operation"},
      {"%0 f32 = contract 0", "%0 f32 = contract", "expected a number"},
      {"%0 f32 = contract 0", "%0 f32 = load z", "unknown input 'z'"},
      {"%4 u32 = constant 0x1", "%4 u32 = index z", "unknown axis 'z'"},
      {"%4 u32 = constant 0x1", "%4 u32 = constant -1", "'-1' is negative, which u32 cannot be"},
      {"%5 i32 = constant 0x1", "%5 i32 = constant --1", "expected a number, found '-1'"},
      {"%5 i32 = constant 0x1", "%5 i32 = constant -2147483649", "'-2147483649' does not fit i32"},
      {"%7 i64 = constant 0x1", "%7 i64 = constant -9223372036854775809", "does not fit i64"},
      {"state f32 0x0", "state f32 -0", "'-0' is negative, which f32 cannot be"},
      {"over k as f32", "over k as f32 gather z", "unknown input 'z'"},
      {"over k as f32", "over k as f32 gather", "expected an input"},
      {"output sum f32 per_row %2", "output sum f32 per_row %2 at", "expected an operand"},
      {"%4 u32 = constant 0x1", "%4 u32 = constant 99999999999999999999", "expected a number"},
      {"%1 f32 = reduce 0 %0", "%1 f32 = reduce 0 x0", "expected an operand %N, found 'x0'"},
      {"%1 f32 = reduce 0 %0", "%1 f32 = reduce 0 %4294967295", "operand '%4294967295' is out of range"},
      {"%1 f32 = reduce 0 %0", "%1 f32 = reduce 0 %", "expected a number"},
      {"output sum f32 per_row %2", "output sum f32 per_col %2", "unknown output kind 'per_col'"},
      {"output sum f32 per_row %2", "output sum f32 per_row", "expected an operand"},
      {"output sum f32 per_row %2", "output sum f32 per_row %2 always", "'always' is not expected here"},
      {"output sum f32 per_row %2", "guard 2", "expected an operand %N, found '2'"},
  };
  for (const Edit& edit : edits) {
    const std::string small = kSmall;
    const std::string text = replaced(small, std::string(edit.from) + "\n", std::string(edit.to) + "\n");
    const auto line =
        std::count(small.begin(), small.begin() + static_cast<std::ptrdiff_t>(small.find(edit.from)), '\n') +
        1;
    check_rejected(text, {fmt::format("line {}:", line), edit.message});
  }
}

TEST_CASE("a reduction without its yield is reported where the text goes on") {
  check_rejected(replaced(kSmall, "  yield $2\n", ""), {"line 15:", "expected $3, found '%0'"});
  const std::string text = kSmall;
  check_rejected(text.substr(0, text.find("  yield")), {"the reduction before the end has no 'yield'"});
}

TEST_CASE("names are words that are taken once") {
  check_rejected("", {"program ''", "a name is a word"});
  check_rejected(replaced(kSmall, "axis k\n", "axis k\naxis k\n"),
                 {"axis 'k'", "this name is taken; choose another"});
  check_rejected(replaced(kSmall, "input t f32", "input a f32"), {"input 'a'", "this name is taken"});
  check_rejected(std::string(kSmall) + "output sum f32 per_row %2\n", {"output 'sum'", "this name is taken"});
  for (const char* name :
       {"two words", "semi;colon", "a,b", "x[0]", "50%", "$5", "a=b", "line\nbreak", "tab\t", ""}) {
    Program p = parse_program(kSmall);
    p.outputs[0].name = name;
    check_rejected(p, {"output '", "a name is a word without spaces or any of ;[],%$="});
    p = parse_program(kSmall);
    p.inputs[2].name = name;
    check_rejected(p, {"input '", "a name is a word"});
    p = parse_program(kSmall);
    p.axes[2].name = name;
    check_rejected(p, {"axis '", "a name is a word"});
    p = parse_program(kSmall);
    p.reductions[0].name = name;  // it is part of the text
    check_rejected(p, {"reduction '", "a name is a word"});
  }
}

TEST_CASE("axes") {
  check_rejected(replaced(kSmall, "rows row\n", ""),
                 {"axes", "there is no row axis; make an output or contraction"});
  check_rejected(replaced(kSmall, "columns col\n", ""), {"axes", "there is no column axis; reduce over one"});
  check_rejected(replaced(kSmall, "columns col\n", "columns row\n"), {"must be two different root axes"});
  check_rejected(replaced(kGrouped, "rows row\n", "rows col.group\n"), {"must be two different root axes"});
  check_rejected(replaced(kGrouped, "col.group = group col", "col.group = group row"),
                 {"axis 'col.group'", "only the column axis", "split that one"});
  for (const char* mask : {"0x0", "0x40", "0x79"})
    check_rejected(replaced(kGrouped, "group col 0x39", std::string("group col ") + mask),
                   {"axis 'col.group'", mask, "must lie in 0x1..0x3f"});
  check_rejected(replaced(kGrouped, "group col 0x39", "group col 0x3e"),
                 {"axis 'col.group'", "0x3e has 5 bits; a group has at most 16 members"});
  check_rejected(replaced(kGrouped, "axis col.member", "axis other = group col 0x39\naxis col.member"),
                 {"axes", "at most one split"});
  check_rejected(replaced(kSmall, "axis k\n", "axis k\naxis col.member = member col 0x1\n"),
                 {"at most one split"});
  check_rejected(replaced(kGrouped, "member col 0x39", "member col 0x1"), {"axes", "have the same mask"});
  Program p = parse_program(kSmall);
  p.row_axis = 99;
  check_rejected(p, {"must be two different root axes"});
}

TEST_CASE("inputs") {
  check_rejected(replaced(kSmall, "input t f32 [row]", "input t f32 [row,col,k]"),
                 {"input 't'", "at most two axes; flatten or pad the others"});
  check_rejected(replaced(kSmall, "input t f32", "input t pred"), {"input 't'", "cannot be pred; take i32"});
  check_rejected(replaced(kGrouped, "input x f32", "input y f32 [col.group]\ninput x f32"),
                 {"input 'y'", "axis 'col.group' is a split; an input has root axes"});
}

TEST_CASE("contractions") {
  const std::string line = "contraction a b over k as f32\n";
  check_rejected(replaced(kSmall, line, line + line),
                 {"contraction 1", "at most one contraction; run a second Program"});
  check_rejected(replaced(kSmall, "input a f32 [row,k]", "input a f32 [k,row]"),
                 {"contraction 0", "the left input 'a' must be [row, k]"});
  check_rejected(replaced(kSmall, "input b f32 [col,k]", "input b f32 [col]"),
                 {"contraction 0", "the right input 'b' must be [col, k]"});
  std::string text = replaced(kSmall, "input a f32 [row,k]", "input a f32 [row,col]");
  text = replaced(replaced(text, "input b f32 [col,k]", "input b f32 [col,col]"), "over k", "over col");
  check_rejected(text, {"contraction 0", "must be a third root axis"});
  for (const char* input : {"input a f32 [row,k]", "input b f32 [col,k]"})
    check_rejected(replaced(kSmall, input, std::string(input) + " optional"),
                   {"contraction 0", "a contracted input cannot be optional"});
  check_rejected(replaced(kSmall, "input a f32", "input a u32"),
                 {"contraction 0", "input 'a' is u32; contracted inputs are " + matrix_format_names("or")});
  check_rejected(replaced(kSmall, "input b f32", "input b i64"), {"input 'b' is i64"});
  check_rejected(replaced(kSmall, "as f32", "as u32"),
                 {"the operands of a contraction are " + matrix_format_names("or")});
  Program p = parse_program(kSmall);
  p.contractions[0].right = 77;
  check_rejected(p, {"contraction 0", "unknown input"});
}

TEST_CASE("a contraction that gathers its left rows") {
  const std::string line = "contraction a b over k as f32\n";
  const std::string base = replaced(kSmall, line, "input n i32 [row] optional\n" + line);
  const std::string gathers = replaced(base, "as f32\n", "as f32 gather n\n");
  const Program p = parse_program(gathers);
  CHECK(p.contractions[0].left_index == 3);
  CHECK(print(p).find("contraction a b over k as f32 gather n\n") != std::string::npos);
  CHECK(parse_program(print(p)) == p);
  CHECK(digest(p) != digest(parse_program(base)));
  CHECK_NOTHROW(parse_program(replaced(gathers, "n i32 [row] optional", "n i32 [row]")));
  for (const char* bad : {"n u32 [row]", "n i32 [col]", "n i32 [row,k]", "n i32 []"})
    check_rejected(replaced(gathers, "n i32 [row]", bad),
                   {"contraction 0", "input 'n' gathers its left rows and must be i32 [row]"});
  Program unknown = p;
  unknown.contractions[0].left_index = 77;
  check_rejected(unknown, {"contraction 0", "gathers its left rows is unknown"});
}

TEST_CASE("reductions") {
  const std::string head = "reduction total over col state f32 0x0";
  check_rejected(replaced(kSmall, "  yield $2", "  yield"),
                 {"reduction 'total'", "the same, non-zero length"});
  check_rejected(replaced(kSmall, "  yield $2", "  yield $2 $2"),
                 {"reduction 'total'", "the same, non-zero length"});
  check_rejected(replaced(kSmall, head, "reduction total over col state"), {"non-zero length"});
  Program p = parse_program(kSmall);
  p.reductions[0].identity.push_back(0);
  check_rejected(p, {"reduction 'total'", "non-zero length"});
  for (const char* axis : {"row", "k"})
    check_rejected(replaced(kSmall, "total over col", fmt::format("total over {}", axis)),
                   {"reduction 'total'", "runs over the column axis or a split of it"});
  for (const char* type : {"bf16", "f16", "pred"})
    check_rejected(replaced(kSmall, head, fmt::format("reduction total over col state {} 0x0", type)),
                   {"reduction 'total'", fmt::format("a state cannot be {}; use f32 or u32", type)});
  struct Forbidden {
    const char* node;
    const char* op;
  };
  for (const Forbidden& f : {Forbidden{"index col", "index"},
                             {"load t $0 $1", "load"},
                             {"reduce 0 $0", "reduce"},
                             {"contract 0", "contract"},
                             {"philox 10 $0 $0 $0 $0 $0 $0", "philox"},
                             {"get 0 $0", "get"}})
    check_rejected(
        replaced(kSmall, "add $0 $1", f.node),
        {"reduction 'total'", fmt::format("'{}' cannot be used in a combine; compute it in the lift", f.op)});
  check_rejected(replaced(kGrouped, "add $0 $1", "select_ordered col.member $0 $1"),
                 {"reduction 'inner'", "'select_ordered' cannot be used in a combine"});
  check_rejected(replaced(kSmall, "param 1", "param 2"),
                 {"reduction 'total'", "param 2 does not match the state"});
  check_rejected(replaced(kSmall, "$1 f32 = param", "$1 u32 = param"), {"param 1 does not match the state"});
  check_rejected(replaced(kSmall, "$2 f32 = add $0 $1", "$2 pred = lt $0 $1"),
                 {"reduction 'total'", "result 0 of the combine must be f32"});
  check_rejected(replaced(kSmall, "yield $2", "yield $3"), {"result 0 of the combine must be f32"});
  check_rejected(replaced(kSmall, "add $0 $1", "add $0 $2"),
                 {"node $2 (add)", "operand 2 must come before its user"});
  check_rejected(replaced(kSmall, "add $0 $1", "add $0"), {"node $2 (add)", "takes 2 operands, found 1"});
  check_rejected(replaced(kSmall, head, head + " bound %42"),
                 {"reduction 'total'", "the bound is not a node"});
  check_rejected(replaced(kSmall, head, head + " bound %4"),
                 {"reduction 'total'", "compared with state 0 and must be f32"});
  check_rejected(replaced(kGrouped, "col.member state u32 0x0", "col.member state u32 0x0 bound %3"),
                 {"reduction 'inner'", "members are too few to skip"});
  CHECK(parse_program(replaced(kSmall, head, head + " bound %0")).reductions[0].bound == 0);
}

/// A node appended to a base Program, and what its diagnostic says.
struct BadNode {
  Node node;
  const char* message;
};

void check_bad_nodes(const char* base, const std::vector<BadNode>& table) {
  for (const BadNode& row : table) {
    Program p = parse_program(base);
    const size_t id = p.nodes.size();
    p.nodes.push_back(row.node);
    check_rejected(p, {fmt::format("node %{} ({})", id, name(row.node.op)), row.message});
  }
}

TEST_CASE("operands of every op") {
  const DType f32 = DType::f32;
  const DType u32 = DType::u32;
  const DType i32 = DType::i32;
  const DType u64 = DType::u64;
  const DType pred = DType::pred;
  const std::vector<NodeId> six(6, c_u32);
  check_bad_nodes(
      kSmall,
      {
          {{Op::add, f32, {c_f32}}, "takes 2 operands, found 1"},
          {{Op::constant, f32, {c_f32}}, "takes 0 operands, found 1"},
          {{Op::add, f32, {c_f32, 10}}, "operand 10 must come before its user"},
          {{Op::add, f32, {c_f32, kNone}}, "must come before its user"},
          {{Op::add, u32, {c_u32, c_philox}}, "operand %9 has several results; read one with 'get'"},
          {{Op::constant, DType::bf16, {}}, "bf16 is a storage type of inputs and outputs; compute in f32"},
          {{Op::cast, DType::f16, {c_f32}}, "f16 is a storage type"},
          {{Op::param, f32, {}, 0}, "a param exists only inside a reduction's combine"},
          {{Op::index, i32, {}, 0}, "an index is u32"},
          {{Op::index, u32, {}, 2}, "only the row, column and group axes have an index here"},
          {{Op::index, u32, {}, 9}, "only the row, column and group axes"},
          {{Op::load, f32, {}, 9}, "unknown input"},
          {{Op::load, f32, {c_u32}, 0}, "input 'a' takes 2 operands (one index an axis), found 1"},
          {{Op::load, f32, {c_u32}, 2},
           "input 't' takes 2 operands (one index an axis and a fallback), found 1"},
          {{Op::load, f32, {c_u32, c_f32}, 0}, "an index must be i32 or u32"},
          {{Op::load, f32, {c_u64, c_u32}, 0}, "an index must be i32 or u32"},
          {{Op::load, f32, {c_u32, c_u32}, 2}, "operand 1 must be f32, found u32; insert a cast"},
          {{Op::load, u32, {c_u32, c_u32}, 0}, "gives f32"},
          {{Op::neg, u32, {c_u32}}, "needs a float or signed integer"},
          {{Op::neg, f32, {c_i32}}, "operand 0 must be f32, found i32; insert a cast"},
          {{Op::abs, pred, {c_pred}}, "needs a float or signed integer"},
          {{Op::bit_not, f32, {c_f32}}, "needs an integer or pred; bitcast first"},
          {{Op::bit_not, u32, {c_i32}}, "operand 0 must be u32"},
          {{Op::bitcast, u32, {c_u64}}, "is between 32-bit types"},
          {{Op::bitcast, u64, {c_u32}}, "is between 32-bit types"},
          {{Op::bitcast, pred, {c_u32}}, "is between 32-bit types"},
          {{Op::div, u32, {c_u32, c_u32}}, "is for f32; shift or multiply integers instead"},
          {{Op::shl, pred, {c_pred, c_pred}}, "needs integers"},
          {{Op::shr, f32, {c_f32, c_f32}}, "needs integers"},
          {{Op::shr, i32, {c_i32, c_u32}}, "operand 1 must be i32"},
          {{Op::mulhi, u32, {c_i32, c_u32}}, "operand 0 must be u32"},
          {{Op::mulhi, u64, {c_u32, c_u32}}, "gives u32"},
          {{Op::fma, f32, {c_f32, c_f32, c_u32}}, "operand 2 must be f32"},
          {{Op::fma, u32, {c_f32, c_f32, c_f32}}, "gives f32"},
          {{Op::philox, u32, {c_u32, c_u32, c_u32, c_u32, c_u32, c_i32}, 10}, "operand 5 must be u32"},
          {{Op::philox, i32, six, 10}, "gives u32 words"},
          {{Op::philox, u32, six, 0}, "takes 1 to 16 rounds"},
          {{Op::philox, u32, six, 17}, "takes 1 to 16 rounds"},
          {{Op::reduce, f32, {c_contract}, 5}, "unknown reduction"},
          {{Op::reduce, f32, {c_contract, c_contract}, 0}, "'total' lifts 1 values, found 2"},
          {{Op::reduce, f32, {c_u32}, 0}, "operand 0 must be f32"},
          {{Op::reduce, u32, {c_contract}, 0}, "has the type of its first state"},
          {{Op::get, f32, {c_f32}, 1}, "reads a result that its operand does not have"},
          {{Op::get, u32, {c_philox}, 4}, "reads a result that its operand does not have"},
          {{Op::get, f32, {c_philox}, 0}, "gives u32"},
          {{Op::get, u32, {c_reduce}, 0}, "gives f32"},
          {{Op::contract, f32, {}, 1}, "unknown contraction"},
          {{Op::contract, u32, {}, 0}, "gives f32"},
          {{Op::select_ordered, u32, {c_u32, c_u32}, 1},
           "selects along a member axis; split the column axis first"},
          {{Op::select_ordered, u32, {c_u32, c_u32}, 9}, "selects along a member axis"},
          {{Op::select_ordered, u32, {c_f32, c_u32}, 1}, "operand 0 must be u32"},
          {{Op::select_ordered, u32, {c_u32, c_f32}, 1}, "operand 1 must be u32"},
          {{Op::select_ordered, i32, {c_u32, c_u32}, 1}, "gives u32"},
      });
  for (Op op : {Op::exp, Op::log, Op::exp2, Op::log2, Op::tanh, Op::rint, Op::floor})
    check_bad_nodes(kSmall, {{{op, f32, {c_u32}}, "operand 0 must be f32, found u32"},
                             {{op, u32, {c_f32}}, "gives f32"}});
  for (Op op : {Op::add, Op::sub, Op::mul, Op::min, Op::max})
    check_bad_nodes(kSmall, {{{op, f32, {c_f32, c_u32}}, "operand 1 must be f32, found u32; insert a cast"},
                             {{op, u32, {c_f32, c_f32}}, "operand 0 must be u32"},
                             {{op, pred, {c_pred, c_pred}}, "has no meaning for pred; use and, or, xor"}});
  for (Op op : {Op::bit_and, Op::bit_or, Op::bit_xor})
    check_bad_nodes(kSmall, {{{op, u32, {c_u32, c_i32}}, "operand 1 must be u32"},
                             {{op, f32, {c_f32, c_f32}}, "needs integers or pred; bitcast first"}});
  for (Op op : {Op::eq, Op::ne, Op::lt, Op::le})
    check_bad_nodes(kSmall, {{{op, pred, {c_u32, c_i32}}, "operand 1 must be u32, found i32"},
                             {{op, u32, {c_u32, c_u32}}, "gives pred"}});
  for (Op op : {Op::select, Op::branch})
    check_bad_nodes(kSmall, {{{op, f32, {c_u32, c_f32, c_f32}}, "operand 0 must be pred, found u32"},
                             {{op, f32, {c_pred, c_u32, c_f32}}, "operand 1 must be f32"},
                             {{op, f32, {c_pred, c_f32, c_u32}}, "operand 2 must be f32"}});
}

TEST_CASE("a constant's bits fit its type") {
  // Bits that the type does not have would make equal values compare as different.
  for (const char* from :
       {"%4 u32 = constant 0x1", "%5 i32 = constant 0x1", "%3 f32 = constant 0x3f800000"}) {
    std::string to = from;
    to = to.substr(0, to.find("0x")) + "0x100000001";
    check_rejected(replaced(kSmall, std::string(from) + "\n", to + "\n"), {"(constant)", "0x100000001"});
  }
  check_rejected(replaced(kSmall, "%8 pred = constant 0x1", "%8 pred = constant 0x2"),
                 {"node %8 (constant)", "0x2"});
  check_rejected(replaced(kSmall, "state f32 0x0", "state f32 0x100000000"),
                 {"reduction 'total'", "0x100000000"});
}

TEST_CASE("a Program is one sweep") {
  const auto final_message =
      "a Program is one sweep: carry the value in the monoid's state, or run a second Program";
  check_bad_nodes(kSmall,
                  {
                      {{Op::add, DType::f32, {c_contract, c_get}},
                       "mixes %0, a value per column, with a finished reduction"},
                      {{Op::add, DType::f32, {c_contract, c_get}}, final_message},
                      {{Op::reduce, DType::f32, {c_get}, 0}, "reduces %2, which needs a finished reduction"},
                      {{Op::reduce, DType::f32, {c_get}, 0}, final_message},
                  });
  check_bad_nodes(
      kGrouped,
      {
          {{Op::add, DType::u32, {g_sum, g_best}}, "mixes %5, a value per group, with a finished reduction"},
          {{Op::add, DType::u32, {g_ux, g_best}}, "mixes %3, a value per column"},
          {{Op::select_ordered, DType::u32, {g_ux, g_best}, 3}, "reduces %9, which needs a finished"},
          {{Op::reduce, DType::u32, {g_ux}, 1},
           "reduces over groups, but %3 has a value per column; reduce it over the member axis first"},
          {{Op::select_ordered, DType::u32, {g_ux, g_ux}, 3},
           "the threshold must be one value per group or row"},
      });
  check_rejected(replaced(kGrouped, "col.group state u32 0x0", "col.group state u32 0x0 bound %3"),
                 {"node %8 (reduce)", "its bound %3 is known later than the values it bounds"});
  check_rejected(replaced(kSmall, "col state f32 0x0", "col state f32 0x0 bound %2"),
                 {"node %1 (reduce)", "its bound %2 is known later than the values it bounds"});
}

TEST_CASE("row guards") {
  const auto with = [](NodeId guard) {
    return replaced(kGrouped, "output best", fmt::format("guard %{}\noutput best", guard));
  };
  CHECK(parse_program(with(g_row_pred)).row_guard == g_row_pred);
  for (NodeId guard : {NodeId{g_col_pred}, NodeId{g_row}, NodeId{99}})
    check_rejected(with(guard), {"row guard", "must be a pred that is known per row before the sweep"});
}

TEST_CASE("outputs") {
  const std::string line = "output best u32 per_row %9\n";
  const auto with = [&](const std::string& output) { return replaced(kGrouped, line, output + "\n"); };
  check_rejected(with(""), {"outputs", "there is none; call output()"});
  check_rejected(with("output best u32 per_row %99"), {"output 'best'", "is not a node"});
  check_rejected(replaced(kSmall, "per_row %2", "per_row %9"),
                 {"output 'sum'", "has several results; read one with 'get'"});
  for (const char* node : {"%9", "%5", "%0"})
    check_rejected(with(fmt::format("output best u32 tile {}", node)),
                   {"output 'best'",
                    "a tile output is a value per (row, column); reduce nothing, or make it a per-row"});
  check_rejected(
      with("output best u32 per_row %3"),
      {"output 'best'", "node %3 has a value per column; reduce it over 'col' or store it as a tile"});
  check_rejected(with("output best u32 any %5"), {"node %5 has a value per group; reduce it over 'col'"});
  check_rejected(replaced(kSmall, "sum f32 per_row", "sum f32 any"),
                 {"output 'sum'", "the or over rows is i32 or u32"});
  check_rejected(with("output best f32 per_row %9"),
                 {"output 'best'", "is f32 but node %9 is u32; insert a cast"});
  check_rejected(with("output best bf16 per_row %9"), {"is bf16 but node %9 is u32"});
  for (const char* good : {"output best u32 any %9", "output best u32 tile %3", "output best u32 per_row %0",
                           "output best f16 tile %2"})
    CHECK(print(parse_program(with(good))).find(good) != std::string::npos);
}

TEST_CASE("positions of outputs") {
  const std::string line = "output sum f32 per_row %2\n";
  const auto with = [&](const std::string& output) { return replaced(kSmall, line, output + "\n"); };
  // Texts without a position have not changed.
  CHECK(print(parse_program(with("output sum f32 per_row %2 optional")))
            .ends_with("\noutput sum f32 per_row %2 optional\n"));
  for (const char* good : {"output sum f32 per_row %2 at %4", "output sum f32 per_row %2 at %5",
                           "output sum bf16 per_row %2 at %7 optional"}) {
    const Program p = parse_program(with(good));
    CHECK(print(p).ends_with(fmt::format("\n{}\n", good)));
    CHECK(parse_program(print(p)) == p);
    CHECK(digest(p) != digest(parse_program(kSmall)));
  }
  check_rejected(with("output sum f32 per_row %2 at %77"), {"output 'sum'", "is not a node"});
  check_rejected(with("output sum f32 per_row %2 at %9"),
                 {"output 'sum'", "position %9 has several results; read one with 'get'"});
  check_rejected(with("output sum f32 per_row %2 at %3"), {"position %3 is f32; cast it to i32, u32 or i64"});
  check_rejected(with("output sum f32 per_row %2 at %6"), {"position %6 is u64; cast it"});
  check_rejected(with("output sum f32 per_row %2 at %8"), {"position %8 is pred; cast it"});
  check_rejected(with("output sum f32 tile %0 at %4"),
                 {"output 'sum'", "only a per-row output has a position"});
  for (const char* late : {"%1", "%5", "%9"})  // per column, per group, after the sweep
    check_rejected(
        replaced(kGrouped, "per_row %9", fmt::format("per_row %0 at {}", late)),
        {"output 'best'", fmt::format("position {} must be known per row before the sweep; compute it "
                                      "from inputs over 'row'",
                                      late)});
  check_rejected(replaced(kGrouped, "per_row %9", "any %0 at %6"), {"only a per-row output has a position"});
}

TEST_CASE("references beyond the tables of a Program made by hand are refused") {
  Program p = parse_program(kSmall);
  p.inputs[2].axes[0] = 99;
  check_rejected(p, {"input 't'", "axis"});
  p = parse_program(kSmall);
  p.contractions[0].axis = 99;
  check_rejected(p, {"contraction 0", "axis"});
}

/// Damaged text is either refused with an Error or is another Program that prints and parses.
void check_survives(const std::string& text) {
  Program program;
  try {
    program = parse_program(text);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::bad_data);
    return;
  }
  const std::string again = print(program);
  INFO("from:\n", text, "\nprinted:\n", again);
  CHECK(parse_program(again) == program);
}

TEST_CASE("built-in Programs are found by the names that they have themselves") {
  for (const BuiltinProgram& program : builtin_programs()) {
    CHECK(program.make({}, DType::f16).name == program.name);
    CHECK(find_builtin_program(program.name) == &program);
  }
  CHECK(find_builtin_program("gemm")->make({}, DType::f16) == gemm(DType::bf16, DType::bf16, DType::f16));
  CHECK(builtin_programs().front().name == "lm_head_sample");
  CHECK(find_builtin_program("gem") == nullptr);
}

TEST_CASE("what all nodes read of a contraction") {
  const auto op_of = [](const SamplingOptions& options) {
    const Program program = lm_head_sample(options);
    return program.nodes[analyze(program).contraction_result].op;
  };
  for (const NoiseScheme noise : {NoiseScheme::per_token, NoiseScheme::grouped}) {
    SamplingOptions options;
    options.noise = noise;
    CHECK(op_of(options) == Op::contract);
    options.settings.bias_dtype = DType::f32;
    CHECK(op_of(options) == Op::add);
    options.settings.softcap = 30;
    CHECK(op_of(options) == Op::mul);
    options.fragments.push_back({"tanh", HeadStage::logits, [](HeadBuilder& h) { h.logit = tanh(h.logit); }});
    CHECK(op_of(options) == Op::tanh);
    // Several readers on the way, all of which one node reads.
    options.fragments.push_back({"sum", HeadStage::logits, [](HeadBuilder& h) {
                                   h.logit = branch(h.logit > 1.0f, h.logit + abs(h.logit), h.logit);
                                 }});
    CHECK(op_of(options) == Op::branch);
    // What is stored is that node as well, or what comes before it.
    options.fragments.push_back(
        {"stored", HeadStage::results, [](HeadBuilder& h) { h.p.tile_output("stored", h.logit); }});
    CHECK(op_of(options) == Op::branch);
    options.fragments.insert(options.fragments.begin(), {"raw", HeadStage::logits, [](HeadBuilder& h) {
                                                           h.p.tile_output("raw", h.logit);
                                                           h.logit = -h.logit;
                                                         }});
    CHECK(op_of(options) != Op::branch);
  }
  const Program logits = sample_logits({});
  CHECK(analyze(logits).contraction_result == kNone);
}

TEST_CASE("what takes the contraction's place") {
  // The contraction's result in Programs that differ in what reads the product.
  const auto result_of = [](const std::function<void(ProgramBuilder&, Expr, Axis)>& rest) {
    ProgramBuilder p("reads");
    const Axis batch = p.axis("batch"), vocab = p.axis("vocab"), hidden = p.axis("hidden");
    const Expr product = p.contract(p.input("x", DType::bf16, {batch, hidden}),
                                    p.input("w", DType::bf16, {vocab, hidden}), hidden);
    rest(p, product, vocab);
    const Program program = p.build();
    return program.nodes[analyze(program).contraction_result].op;
  };
  const auto sum = [](ProgramBuilder& p, const std::string& name, Expr x, Axis vocab) {
    p.output(name, reduce_sum(x, vocab));
  };
  CHECK(result_of([&](auto& p, Expr x, Axis v) { sum(p, "a", exp(x) + tanh(x), v); }) == Op::add);
  CHECK(result_of([&](auto& p, Expr x, Axis v) {
          sum(p, "a", exp(-x), v);
          sum(p, "b", tanh(-x), v);
        }) == Op::neg);
  // Read beside the gate by another reduction, a stored tile, a bound, an index or a random number.
  CHECK(result_of([&](auto& p, Expr x, Axis v) {
          sum(p, "a", exp(x), v);
          sum(p, "b", x, v);
        }) == Op::contract);
  CHECK(result_of([&](auto& p, Expr x, Axis v) {
          sum(p, "a", exp(x), v);
          p.tile_output("b", x);
        }) == Op::contract);
  CHECK(result_of([&](auto& p, Expr x, Axis v) {
          p.output("a", argmax(exp(x), v.index(), v, {}, abs(x)).index);
        }) == Op::contract);
  CHECK(result_of([&](auto& p, Expr x, Axis v) {
          const Tensor table = p.input("table", DType::f32, {p.axis("entries")});
          sum(p, "a", table.at({cast(x, DType::i32)}), v);
        }) == Op::contract);
  CHECK(result_of([&](auto& p, Expr x, Axis v) {
          const Expr bits = bitcast(x, DType::u32);
          const std::array<Expr, 4> words = philox({bits, bits, bits, bits}, {1, 2});
          sum(p, "a", cast(words[0], DType::f32), v);
        }) == Op::contract);
}

TEST_CASE("a plan knows the reductions of a Program that was made by hand") {
  Program program = lm_head_sample({});
  const Problem problem{1000, 64, 4, 16};
  const Target target = Target::parse("sm_90a");
  const auto join_of = [&] {
    return make_plan(program, problem, default_schedule(program, problem, target), target).join;
  };
  SamplingOptions options;
  options.features = kNoFeatures;
  program = lm_head_sample(options);
  CHECK(join_of() == Join::packed);
  for (ReductionInfo& reduction : program.reductions) reduction.kind = ReductionKind::other;
  CHECK(join_of() == Join::packed);
  for (ReductionInfo& reduction : program.reductions)
    if (reduction.name == "argmax") reduction.combine.results[1] = 5;  // the left index, whatever the keys
  CHECK(join_of() == Join::records);
  check_error(error_of([&] { verify(program); }), ErrorCode::bad_data, {});
}

TEST_CASE("damaged text is refused or parses, and never crashes") {
  std::mt19937_64 random(1234);
  auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  std::vector<std::string> texts{kSmall, kGrouped};
  texts.push_back(print(sample_logits({NoiseScheme::grouped, DType::f32, DType::f32, true})));
  texts.push_back(print(lm_head_sample({NoiseScheme::per_token, DType::bf16, DType::f16, true})));
  for (const std::string& text : texts) {
    for (size_t i = 0; i < 600; ++i) check_survives(text.substr(0, below(text.size() + 1)));
    for (size_t i = 0; i < 4000; ++i) {
      std::string damaged = text;
      for (size_t n = 1 + below(3); n > 0; --n) {
        char& c = damaged[below(damaged.size())];
        switch (below(3)) {
          case 0:  // any byte
            c = static_cast<char>(random());
            break;
          case 1:  // one bit
            c = static_cast<char>(c ^ (1 << below(8)));
            break;
          default:  // a byte that has a meaning elsewhere
            c = text[below(text.size())];
            break;
        }
      }
      check_survives(damaged);
    }
    std::vector<std::string> lines;
    for (size_t at = 0, end = 0; at < text.size(); at = end + 1) {
      end = std::min(text.find('\n', at), text.size());
      lines.push_back(text.substr(at, end - at));
    }
    for (size_t i = 0; i < 1000; ++i) {  // lines dropped, doubled and swapped
      std::vector<std::string> shuffled = lines;
      const size_t from = below(lines.size());
      const size_t to = below(lines.size());
      if (i % 3 == 0)
        shuffled.erase(shuffled.begin() + static_cast<std::ptrdiff_t>(from));
      else if (i % 3 == 1)
        shuffled.insert(shuffled.begin() + static_cast<std::ptrdiff_t>(to), lines[from]);
      else
        std::swap(shuffled[from], shuffled[to]);
      std::string joined;
      for (const std::string& line : shuffled) joined += line + "\n";
      check_survives(joined);
    }
  }
}

}  // namespace
}  // namespace gumtile::test
