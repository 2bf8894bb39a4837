#include "tests/random_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>

#include "gumtile/dsl_functions.h"
#include "ir/analysis.h"
#include "support/format.h"

namespace gumtile::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr double kEpsilon = 0x1p-23;
/// The largest value up to which a sum of whole f32 numbers is exact in any order.
constexpr double kExact = 0x1p24;
/// Values are kept below this, so that chains of products stay finite.
constexpr double kLargest = 1e6;

/// What is known about all values of a node.
struct Facts {
  double low = 0;
  double high = 0;
  bool whole = false;   ///< whole numbers, if finite
  bool nan = false;     ///< may be NaN
  bool inf = false;     ///< may be infinite
  double relative = 0;  ///< backends differ by at most relative * |value| + absolute
  double absolute = 0;

  double magnitude() const { return std::max(std::fabs(low), std::fabs(high)); }
  double error() const { return relative * magnitude() + absolute; }
  bool exact() const { return relative == 0 && absolute == 0; }
  bool special() const { return nan || inf; }
};

Facts join(const Facts& a, const Facts& b) {
  return {std::min(a.low, b.low),
          std::max(a.high, b.high),
          a.whole && b.whole,
          a.nan || b.nan,
          a.inf || b.inf,
          std::max(a.relative, b.relative),
          std::max(a.absolute, b.absolute)};
}

Facts range(double low, double high, bool whole = true) { return {low, high, whole}; }

Facts full_range(DType dtype) {
  switch (dtype) {
    case DType::i32:
      return range(-0x1p31, 0x1p31 - 1);
    case DType::u32:
      return range(0, 0x1p32 - 1);
    case DType::i64:
      return range(-0x1p63, 0x1p63);
    case DType::u64:
      return range(0, 0x1p64);
    default:
      return range(0, 1);
  }
}

/// `facts` if they fit the integer type, else any value: arithmetic wraps.
Facts wrapped(DType dtype, const Facts& facts) {
  const Facts all = full_range(dtype);
  return facts.low >= all.low && facts.high <= all.high ? facts : all;
}

struct Value {
  Expr expr;
  DType dtype;
  Level level;
  Facts facts;
};

constexpr DType kIntegers[] = {DType::i32, DType::u32, DType::i64, DType::u64};

enum class Make : uint8_t {
  add,
  sub,
  mul,
  div,
  min,
  max,
  fma,
  neg,
  abs,
  rint,
  floor,
  exp,
  exp2,
  log,
  log2,
  tanh,
  choose,
  from_integer,
  from_bits,
  int_add,
  int_sub,
  int_mul,
  int_min,
  int_max,
  int_and,
  int_or,
  int_xor,
  shl,
  shr,
  int_not,
  int_neg,
  int_abs,
  mulhi,
  int_choose,
  int_cast,
  to_integer,
  int_bitcast,
  to_bits,
  compare,
  logic,
  to_pred,
  philox,
  column_bits,
  gather,
  gumbel,
  count
};

enum class Fold : uint8_t {
  max,
  min,
  bits_or,
  sum_u32,
  sum_f32,
  sum_64,
  argmax,
  max_count,
  top_two,
  bits_pair,
  integer_range,
  max_u32,
  count
};

class Generator {
 public:
  explicit Generator(uint64_t seed)
      : random_(seed * 0x9E3779B97F4A7C15 + 1), p_(fmt::format("random_{}", seed)) {}

  RandomProgram run() {
    constexpr int64_t kRows[] = {0, 1, 3, 9, 17};
    constexpr int64_t kColumns[] = {1, 7, 64, 127, 129, 300, 1000};
    extents_.rows = one_in(20) ? 0 : kRows[1 + below(4)];
    extents_.columns = kColumns[below(7)];
    slots_ = 32 + static_cast<int64_t>(below(8));
    batch_ = p_.axis("batch");
    column_ = p_.axis("column");
    slot_ = p_.axis("slot");
    p_.rows(batch_);
    p_.columns(column_);
    add(batch_.index(), DType::u32, Level::row, range(0, 16));
    add(column_.index(), DType::u32, Level::element, range(0, 2048));
    if (!one_in(4)) make_contraction();
    if (!one_in(3)) make_split();
    make_inputs();
    grow(Level::row, 2, 5);
    if (one_in(3)) make_guard();
    grow(Level::element, 4, 8);
    if (split_) {
      for (uint64_t n = 1 + below(3); n > 0; --n) fold(split_->member, Level::element, Level::group);
      if (one_in(2)) select_member();
      grow(Level::group, 2, 4);
      grow(Level::element, 1, 3);
      if (one_in(3)) fold(split_->member, Level::element, Level::group);
      for (uint64_t n = 1 + below(2); n > 0; --n) fold(split_->group, Level::group, Level::final);
      if (one_in(4)) log_sum_exp();
    }
    for (uint64_t n = split_ ? below(2) : 1 + below(2); n > 0; --n)
      fold(column_, Level::element, Level::final);
    grow(Level::final, 2, 6);
    make_outputs();
    return {{p_.build(), extents_, arrays_, 0, positions()}, tolerance_};
  }

 private:
  // ---- chance ----
  uint64_t below(uint64_t n) { return random_.below(n); }
  bool one_in(uint64_t n) { return below(n) == 0; }
  template <typename T, size_t N>
  T any_of(const T (&choices)[N]) {
    return choices[below(N)];
  }

  // ---- the values made so far ----
  void add(Expr expr, DType dtype, Level level, const Facts& facts) {
    pool_.push_back({expr, dtype, level, facts});
  }

  static bool visible(Level level, Level target) {
    return target == Level::final ? level == Level::row || level == Level::final : level <= target;
  }

  std::optional<Value> find(DType dtype, Level target,
                            const std::function<bool(const Value&)>& fits = nullptr) {
    std::vector<size_t> found;
    for (size_t i = 0; i < pool_.size(); ++i)
      if (pool_[i].dtype == dtype && visible(pool_[i].level, target) && (!fits || fits(pool_[i])))
        found.push_back(i);
    if (found.empty()) return std::nullopt;
    // Newer ones, and those of the target's own level, are more likely, so that graphs become deep.
    size_t best = found[below(found.size())];
    for (int tries = 0; tries < 2; ++tries) {
      const size_t other = found[below(found.size())];
      if (pool_[other].level > pool_[best].level || (pool_[other].level == pool_[best].level && other > best))
        best = one_in(3) ? best : other;
    }
    return pool_[best];
  }

  Value constant(DType dtype) {
    switch (dtype) {
      case DType::f32: {
        const bool whole = one_in(2);
        const double v = (static_cast<double>(below(33)) - 16) * (whole ? 1 : 0.125);
        return {p_.constant(dtype, v), dtype, Level::row, range(v, v, whole)};
      }
      case DType::pred:
        return {p_.constant(dtype, static_cast<double>(below(2))), dtype, Level::row, range(0, 1)};
      case DType::i32: {
        const auto v = static_cast<double>(static_cast<int32_t>(word()));
        return {p_.constant(dtype, v), dtype, Level::row, range(v, v)};
      }
      case DType::u32: {
        const uint32_t v = word();
        return {p_.constant_u32(v), dtype, Level::row, range(v, v)};
      }
      case DType::u64: {
        const uint64_t v = one_in(2) ? random_.next() : word();
        return {p_.constant_u64(v), dtype, Level::row, range(static_cast<double>(v), static_cast<double>(v))};
      }
      default: {
        const double v = static_cast<double>(static_cast<int32_t>(word())) * (one_in(2) ? 1 : 65536);
        return {p_.constant(dtype, v), dtype, Level::row, range(v, v)};
      }
    }
  }

  /// Small numbers, single bits, runs of ones, anything.
  uint32_t word() {
    switch (below(5)) {
      case 0:
        return static_cast<uint32_t>(below(70));
      case 1:
        return 1u << below(32);
      case 2:
        return ((2u << below(31)) - 1) << below(8);
      case 3:
        return ~static_cast<uint32_t>(below(64));
      default:
        return static_cast<uint32_t>(random_.next());
    }
  }

  Value pick(DType dtype, Level target, const std::function<bool(const Value&)>& fits = nullptr) {
    if (one_in(8)) return constant(dtype);
    auto found = find(dtype, target, fits);
    return found ? *found : constant(dtype);
  }

  Value exact_f32(Level target, bool allow_special = true) {
    return pick(DType::f32, target,
                [&](const Value& v) { return v.facts.exact() && (allow_special || !v.facts.special()); });
  }

  /// Any f32 whose error is still small.
  Value any_f32(Level target) {
    return pick(DType::f32, target, [](const Value& v) {
      return v.facts.relative <= 1e-5 && v.facts.absolute <= 1e-5 * std::max(1.0, v.facts.magnitude());
    });
  }

  /// Clamped to a whole limit; NaN stays.
  Value bounded(Value v, double limit) {
    if (limit == kInf || (!v.facts.inf && v.facts.magnitude() <= limit)) return v;
    v.expr = min(max(v.expr, Expr(-limit)), Expr(limit));
    v.facts.low = std::clamp(v.facts.low, -limit, limit);
    v.facts.high = std::clamp(v.facts.high, -limit, limit);
    if (v.facts.inf) {
      v.facts.low = -limit;
      v.facts.high = limit;
    }
    v.facts.inf = false;
    return v;
  }

  /// Whole numbers that a sum of `terms` adds up exactly.
  Value summand(Level target, double terms) {
    auto found = find(DType::f32, target,
                      [](const Value& v) { return v.facts.exact() && v.facts.whole && !v.facts.special(); });
    if (found) return bounded(*found, std::floor(kExact / terms / 2));
    Value v = pick(DType::u32, target);
    return {cast(v.expr & 15, DType::f32), DType::f32, v.level, range(0, 15)};
  }

  // ---- inputs ----
  struct Data {
    Array array;
    Facts facts;
  };

  /// Padding is left as NaN (or -1): reading it shows.
  Data data(DType dtype, int64_t rows, int64_t columns, bool padded) {
    const int64_t stride = columns + (padded ? static_cast<int64_t>(below(6)) : 0);
    Data d{make_array(dtype, rows, columns, stride), {}};
    std::fill(d.array.bytes.begin(), d.array.bytes.end(), std::byte{0xff});
    const uint64_t mode = below(4);
    if (is_float(dtype))
      d.facts = mode == 0 ? range(-16, 16, false) : mode == 1 ? range(-100, 100) : range(-4, 4);
    if (is_float(dtype) && mode == 3) d.facts.nan = d.facts.inf = true;
    if (!is_float(dtype))
      d.facts = mode == 0 ? full_range(dtype) : range(is_signed_integer(dtype) ? -50 : 0, 60);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) {
        const int64_t at = r * stride + c;
        if (!is_float(dtype)) {
          const uint64_t bits = mode == 0
                                    ? random_.next()
                                    : below(60) - (is_signed_integer(dtype) ? uint64_t{50} : uint64_t{0});
          std::memcpy(d.array.bytes.data() + at * static_cast<int64_t>(size_bytes(dtype)), &bits,
                      size_bytes(dtype));
        } else if (mode == 0) {
          d.array.set(at, (static_cast<float>(below(255)) - 127.0f) * 0.125f);
        } else if (mode == 3 && one_in(30)) {
          d.array.set(at, one_in(3) ? std::numeric_limits<float>::quiet_NaN() : one_in(2) ? kInf : -kInf);
        } else {
          const auto most = static_cast<int64_t>(d.facts.high);
          d.array.set(at, static_cast<float>(
                              static_cast<int64_t>(below(static_cast<uint64_t>(2 * most + 1))) - most));
        }
      }
    return d;
  }

  int64_t extent(Axis axis) const {
    if (axis.id == batch_.id) return extents_.rows;
    if (axis.id == column_.id) return extents_.columns;
    if (words_ && axis.id == words_->id) return (extents_.columns + 31) / 32;
    return axis.id == slot_.id ? slots_ : extents_.contracted;
  }

  /// An input read at `indices`; sometimes an optional one, present or absent.
  void load(DType dtype, const std::vector<Axis>& axes, std::vector<Expr> indices, Level level) {
    const std::string name = fmt::format("x{}", arrays_.size());
    const int64_t columns = axes.empty() ? 1 : extent(axes.back());
    Data d = data(dtype, axes.size() == 2 ? extent(axes[0]) : 1, columns, axes.size() == 2);
    const DType type = compute_type(dtype);
    if (!one_in(4)) {
      add(p_.input(name, dtype, axes).at(indices), type, level, d.facts);
      arrays_.push_back(d.array);
      return;
    }
    const Value fallback = pick(type, level, [](const Value& v) { return v.facts.exact(); });
    indices.push_back(fallback.expr);
    add(p_.optional_input(name, dtype, axes).at(indices), type, std::max(level, fallback.level),
        join(d.facts, fallback.facts));
    arrays_.push_back(one_in(2) ? absent(dtype) : d.array);
  }

  void make_contraction() {
    std::vector<DType> floats;
    for (const Format& format : formats())
      if (format.kind == FormatKind::floating) floats.push_back(format.dtype);
    const auto any_float = [&] { return floats[below(floats.size())]; };
    extents_.contracted = 8 + static_cast<int64_t>(below(123));
    const Axis hidden = p_.axis("hidden");
    const DType left = any_float();
    const DType right = any_float();
    const DType operand = one_in(3) ? any_float() : right;
    auto matrix = [&](DType dtype, int64_t rows, bool large) {
      Array a = make_array(dtype, rows, extents_.contracted,
                           extents_.contracted + static_cast<int64_t>(below(3)) * 4);
      std::fill(a.bytes.begin(), a.bytes.end(), std::byte{0xff});
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t k = 0; k < a.columns; ++k) {
          const float small = static_cast<float>(below(9)) - 4.0f;
          a.set(r * a.row_stride + k,
                large && one_in(8) ? small * 65.0f : small);  // 9 bits: bf16 rounds them
        }
      return a;
    };
    const bool gathers = one_in(3);
    const int64_t left_rows =
        extents_.rows + (gathers ? static_cast<int64_t>(below(static_cast<uint64_t>(extents_.rows) + 1)) : 0);
    const Tensor h = p_.input("left", left, {batch_, hidden});
    arrays_.push_back(matrix(left, left_rows, true));
    const Tensor w = p_.input("right", right, {column_, hidden});
    arrays_.push_back(matrix(right, extents_.columns, false));
    std::optional<Tensor> index;
    if (gathers) index = make_left_index(left_rows);
    const double most = 4.0 * 264 * static_cast<double>(extents_.contracted);
    add(p_.contract(h, w, hidden, operand, index), DType::f32, Level::element, range(-most, most));
    if (one_in(6)) add(w.at({column_.index(), 3}), DType::f32, Level::element, range(-4, 4));
  }

  /// Rows in any order, repeated ones, and some that are zeros.
  Tensor make_left_index(int64_t left_rows) {
    Array rows = make_array(DType::i32, 1, extents_.rows);
    for (int64_t r = 0; r < extents_.rows; ++r)
      rows.as<int32_t>()[r] = one_in(6) ? -1 - static_cast<int32_t>(below(1u << 30))
                                        : static_cast<int32_t>(below(static_cast<uint64_t>(left_rows)));
    const bool optional = one_in(2);
    arrays_.push_back(optional && one_in(3) ? absent(DType::i32) : rows);
    return optional ? p_.optional_input("left_index", DType::i32, {batch_})
                    : p_.input("left_index", DType::i32, {batch_});
  }

  void make_split() {
    constexpr uint32_t kMasks[] = {0x39, 0x39, 0x39, 0x9, 0x3, 0x30, 0xf, 0x15, 0x1, 0x20, 0x2a, 0x3c};
    uint32_t mask = any_of(kMasks);
    if (one_in(4)) do {
        mask = 1 + static_cast<uint32_t>(below(63));
      } while (std::popcount(mask) > 4);
    split_ = p_.split(column_, mask);
    add(split_->group.index(), DType::u32, Level::group, range(0, 1024));
  }

  void make_inputs() {
    constexpr DType kMatrix[] = {DType::f32, DType::bf16, DType::f16, DType::f32, DType::i32, DType::u32};
    constexpr DType kVector[] = {DType::f32, DType::i32, DType::u32, DType::u64, DType::bf16, DType::i64};
    const Expr row = batch_.index();
    const Expr column = column_.index();
    std::optional<Expr> slot;
    if (one_in(2)) {
      inactive_slots_ = one_in(2);
      Array slots = make_array(DType::i32, 1, extents_.rows);
      for (int64_t r = 0; r < extents_.rows; ++r)
        slots.as<int32_t>()[r] = inactive_slots_ && one_in(3)
                                     ? -1000000000
                                     : static_cast<int32_t>(below(static_cast<uint64_t>(slots_)));
      slot = p_.input("row_slot", DType::i32, {batch_}).at({row});
      arrays_.push_back(slots);
      if (inactive_slots_) p_.guard(*slot >= 0);
    }
    for (uint64_t n = 1 + below(2); n > 0; --n) load(any_of(kVector), {batch_}, {row}, Level::row);
    if (one_in(3)) load(any_of(kVector), {}, {}, Level::row);
    if (slot)
      for (uint64_t n = 1 + below(2); n > 0; --n) load(any_of(kVector), {slot_}, {*slot}, Level::row);
    for (uint64_t n = below(3); n > 0; --n) load(any_of(kVector), {column_}, {column}, Level::element);
    if (extents_.contracted == 0 || one_in(3))
      load(any_of(kMatrix), {batch_, column_}, {row, column}, Level::element);
    if (slot && one_in(3)) {  // a bitmask: a word holds 32 columns
      const Expr word = min(column >> 5, slots_ - 1 < 31 ? static_cast<int>(slots_ - 1) : 31);
      load(DType::i32, {slot_, slot_}, {*slot, cast(word, DType::i32)}, Level::element);
    }
    if (one_in(3)) {  // as many words as the columns need: nothing lies past them
      words_ = p_.axis("words");
      const Expr word = cast(column >> 5, DType::i32);
      if (slot && one_in(2))
        load(DType::i32, {slot_, *words_}, {*slot, word}, Level::element);
      else
        load(DType::u32, {*words_}, {word}, Level::element);
    }
  }

  void make_guard() {
    if (inactive_slots_) return;
    const Value x = pick(DType::i32, Level::row);
    const Value row{batch_.index(), DType::u32, Level::row, {}};
    p_.guard(one_in(2) ? (row.expr & 3) != 1 : (x.expr & 4) == 0);
  }

  // ---- elementwise ----
  void grow(Level target, uint64_t least, uint64_t most) {
    for (uint64_t n = least + below(most - least + 1); n > 0; --n)
      for (int tries = 0; tries < 6; ++tries) {
        const size_t before = pool_.size();
        make(static_cast<Make>(below(static_cast<uint64_t>(Make::count))), target);
        if (pool_.size() > before && pool_.back().level == target) break;
      }
  }

  void add_unary(const Value& a, Expr expr, const Facts& facts) { add(expr, DType::f32, a.level, facts); }
  void add_binary(const Value& a, const Value& b, Expr expr, Facts facts) {
    if (facts.magnitude() > kExact) facts.whole = false;
    add(expr, a.dtype, std::max(a.level, b.level), facts);
  }

  /// Rounding on top of the operands' errors, if they have any.
  static void accumulate(Facts& f, const Value& a, const Value& b, double absolute) {
    if (a.facts.exact() && b.facts.exact()) return;
    f.absolute = absolute;
    f.relative = 2 * kEpsilon;
  }

  void make_product(Value a, Value b, std::optional<Value> c) {
    const bool exact = a.facts.exact() && b.facts.exact();
    // An infinity times a number that may or may not be zero could be NaN or not.
    a = bounded(a, !exact || a.facts.magnitude() > 1e3 ? 1e3 : kInf);
    b = bounded(b, !exact || b.facts.magnitude() > 1e3 ? 1e3 : kInf);
    const double corners[] = {a.facts.low * b.facts.low, a.facts.low * b.facts.high,
                              a.facts.high * b.facts.low, a.facts.high * b.facts.high};
    Facts f = range(*std::min_element(corners, corners + 4), *std::max_element(corners, corners + 4),
                    a.facts.whole && b.facts.whole);
    f.inf = a.facts.inf || b.facts.inf;
    f.nan = a.facts.nan || b.facts.nan || f.inf;
    accumulate(f, a, b, a.facts.error() * b.facts.magnitude() + b.facts.error() * a.facts.magnitude());
    if (!c) return add_binary(a, b, a.expr * b.expr, f);
    *c = bounded(*c, c->facts.magnitude() > kLargest ? kLargest : kInf);
    const Value product{a.expr, DType::f32, std::max(a.level, b.level), f};
    add_binary(product, *c, fma(a.expr, b.expr, c->expr), sum_facts(product, *c, false));
  }

  static Facts sum_facts(const Value& a, const Value& b, bool subtract) {
    Facts f = subtract ? range(a.facts.low - b.facts.high, a.facts.high - b.facts.low)
                       : range(a.facts.low + b.facts.low, a.facts.high + b.facts.high);
    f.whole = a.facts.whole && b.facts.whole;
    f.inf = a.facts.inf || b.facts.inf;
    f.nan = a.facts.nan || b.facts.nan || (a.facts.inf && b.facts.inf);
    accumulate(f, a, b, a.facts.error() + b.facts.error());
    return f;
  }

  void make_quotient(Level target) {
    const Value a = bounded(any_f32(target), kLargest);
    Value b = any_f32(target);
    if (a.facts.exact() && b.facts.exact() && b.facts.whole && !b.facts.special() &&
        one_in(3)) {  // also by zero
      const double m = a.facts.magnitude();
      Facts f = range(-m, m, false);
      f.inf = f.nan = true;
      return add_binary(a, b, a.expr / abs(b.expr), f);
    }
    b = bounded(b, kLargest);
    const Value divisor{abs(b.expr) + 1.0f, DType::f32, b.level, b.facts};
    Facts f = range(-a.facts.magnitude(), a.facts.magnitude(), false);
    f.nan = a.facts.nan || b.facts.nan;
    accumulate(f, a, b, a.facts.error() + b.facts.error() * a.facts.magnitude());
    add_binary(a, divisor, a.expr / divisor.expr, f);
  }

  void make_exponential(bool base_two, Level target) {
    Value x = any_f32(target);
    // Whole numbers may go out of range: overflow and underflow are then the same everywhere.
    x = bounded(x, x.facts.exact() && x.facts.whole && one_in(2) ? (base_two ? 160 : 110) : 16);
    const double most = base_two ? std::exp2(x.facts.high) : std::exp(x.facts.high);
    Facts f = range(0, std::min(most, 3.4e38), false);
    f.nan = x.facts.nan;
    f.inf = x.facts.high > 80;
    f.relative = x.facts.error() + 2 * kEpsilon * x.facts.magnitude() + 5 * kEpsilon;
    f.absolute = 1.3e-38;  // results below the normal range may be 0
    add_unary(x, base_two ? exp2(x.expr) : exp(x.expr), f);
  }

  void make_logarithm(bool base_two, Level target) {
    Value x = any_f32(target);
    Facts f = range(-1, 89, false);
    f.relative = 6 * kEpsilon;
    if (x.facts.exact() && x.facts.whole && one_in(2)) {  // zero, negative numbers and all
      f.nan = f.inf = true;
    } else {
      x.expr = abs(x.expr) + 0.5f;
      f.nan = x.facts.nan;
      f.inf = x.facts.inf;
    }
    f.high = base_two ? 128 : 89;
    // The error of a value far above 1 counts relative to it.
    f.absolute = 4 * x.facts.absolute + 2 * x.facts.relative + 8 * kEpsilon;
    add_unary(x, base_two ? log2(x.expr) : log(x.expr), f);
  }

  Value condition(Level target) {
    auto found = find(DType::pred, target);
    if (found && !one_in(4)) return *found;
    const Value x = pick(DType::u32, target);
    return {(x.expr & 5) == 1, DType::pred, x.level, range(0, 1)};
  }

  void make_choice(DType dtype, Level target) {
    const Value c = condition(target);
    const Value a = dtype == DType::f32 ? any_f32(target) : pick(dtype, target);
    const Value b = dtype == DType::f32 ? any_f32(target) : pick(dtype, target);
    add(one_in(2) ? select(c.expr, a.expr, b.expr) : branch(c.expr, a.expr, b.expr), dtype,
        std::max({c.level, a.level, b.level}), join(a.facts, b.facts));
  }

  /// Sums of shifted and masked pieces of a column (or group) index, as in bit packing.
  void make_column_bits(Level target) {
    Expr x = target == Level::group && split_ ? split_->group.index() : column_.index();
    if (target != Level::element && !(target == Level::group && split_)) return;
    auto piece = [&] {
      Expr y = x;
      for (uint64_t n = 1 + below(4); n > 0; --n) {
        const auto by = static_cast<int>(below(9));
        switch (below(5)) {
          case 0:
            y = y >> by;
            break;
          case 1:
            y = y << by;
            break;
          case 2:
            y = y & p_.constant_u32(word());
            break;
          case 3:
            y = y * p_.constant_u32(1u << by);
            break;
          default:
            y = y | p_.constant_u32(word());
            break;
        }
      }
      return y;
    };
    const Expr a = piece();
    const Expr b = piece();
    add(one_in(2) ? a | b : a + b, DType::u32, target, full_range(DType::u32));
  }

  /// A column's vector read at another column, or at one known per row, group or at the end.
  void make_gather(Level target) {
    const Value x = pick(DType::u32, target);
    const Expr index = min(x.expr, p_.constant_u32(static_cast<uint32_t>(extents_.columns - 1)));
    constexpr DType kVector[] = {DType::f32, DType::i32, DType::u32, DType::bf16};
    if (arrays_.size() < 12) load(any_of(kVector), {column_}, {index}, x.level);
  }

  void make(Make what, Level target) {
    auto binary = [&](const std::function<Expr(Expr, Expr)>& op, DType dtype, const Facts* facts = nullptr) {
      const Value a = pick(dtype, target);
      const Value b = pick(dtype, target);
      add(op(a.expr, b.expr), dtype, std::max(a.level, b.level), facts ? *facts : full_range(dtype));
    };
    const DType integer = one_in(3) ? any_of(kIntegers) : one_in(2) ? DType::u32 : DType::i32;
    const DType is_signed = one_in(3) ? DType::i64 : DType::i32;
    switch (what) {
      case Make::add:
      case Make::sub: {
        const Value a = bounded(any_f32(target), kLargest);
        const Value b = bounded(any_f32(target), kLargest);
        const bool subtract = what == Make::sub;
        return add_binary(a, b, subtract ? a.expr - b.expr : a.expr + b.expr, sum_facts(a, b, subtract));
      }
      case Make::mul:
      case Make::fma: {
        const Value a = any_f32(target);
        const Value b = any_f32(target);
        return make_product(a, b, what == Make::fma ? std::optional(any_f32(target)) : std::nullopt);
      }
      case Make::div:
        return make_quotient(target);
      case Make::min:
      case Make::max: {
        const Value a = any_f32(target);
        const Value b = any_f32(target);
        return add_binary(a, b, what == Make::min ? min(a.expr, b.expr) : max(a.expr, b.expr),
                          join(a.facts, b.facts));
      }
      case Make::neg: {
        const Value a = any_f32(target);
        Facts f = a.facts;
        f.low = -a.facts.high;
        f.high = -a.facts.low;
        return add_unary(a, -a.expr, f);
      }
      case Make::abs: {
        const Value a = any_f32(target);
        Facts f = a.facts;
        f.low = 0;
        f.high = a.facts.magnitude();
        return add_unary(a, abs(a.expr), f);
      }
      case Make::rint:
      case Make::floor: {
        const Value a = exact_f32(target);
        Facts f = a.facts;
        f.low = std::floor(f.low);
        f.high = std::ceil(f.high);
        f.whole = f.magnitude() <= kExact;
        return add_unary(a, what == Make::rint ? rint(a.expr) : floor(a.expr), f);
      }
      case Make::exp:
        return make_exponential(false, target);
      case Make::exp2:
        return make_exponential(true, target);
      case Make::log:
        return make_logarithm(false, target);
      case Make::log2:
        return make_logarithm(true, target);
      case Make::tanh: {
        const Value a = any_f32(target);
        Facts f = range(-1, 1, false);
        f.nan = a.facts.nan;
        f.relative = 10 * kEpsilon;
        f.absolute = 2 * kEpsilon + 2 * a.facts.absolute + a.facts.relative;  // |x tanh'(x)| < 1
        return add_unary(a, tanh(a.expr), f);
      }
      case Make::choose:
        return make_choice(DType::f32, target);
      case Make::from_integer: {
        const Value a = one_in(6) ? condition(target) : pick(integer, target);
        Facts f = a.facts;
        f.whole = f.magnitude() <= kExact;
        return add_unary(a, cast(a.expr, DType::f32), f);
      }
      case Make::from_bits: {
        const Value a = pick(DType::u32, target);
        const Expr bits = (a.expr & p_.constant_u32(0x807fffff)) | p_.constant_u32(0x3f800000);
        return add_unary(a, bitcast(bits, DType::f32), range(-2, 2, false));
      }
      case Make::int_add:
      case Make::int_sub: {
        const Value a = pick(integer, target);
        const Value b = pick(integer, target);
        const Facts f = sum_facts(a, b, what == Make::int_sub);
        return add(what == Make::int_sub ? a.expr - b.expr : a.expr + b.expr, integer,
                   std::max(a.level, b.level), wrapped(integer, f));
      }
      case Make::int_mul:
        return binary([](Expr a, Expr b) { return a * b; }, integer);
      case Make::int_min:
        return binary([](Expr a, Expr b) { return min(a, b); }, integer);
      case Make::int_max:
        return binary([](Expr a, Expr b) { return max(a, b); }, integer);
      case Make::int_and: {
        const Value a = pick(integer, target);
        const uint64_t mask = (2ull << below(20)) - 1;
        if (one_in(2)) return binary([](Expr x, Expr y) { return x & y; }, integer);
        return add(a.expr & p_.constant(integer, static_cast<double>(mask)), integer, a.level,
                   range(0, static_cast<double>(mask)));
      }
      case Make::int_or:
        return binary([](Expr a, Expr b) { return a | b; }, integer);
      case Make::int_xor:
        return binary([](Expr a, Expr b) { return a ^ b; }, integer);
      case Make::shl:
        return binary([](Expr a, Expr b) { return a << b; }, integer);
      case Make::shr:
        return binary([](Expr a, Expr b) { return a >> b; }, integer);
      case Make::int_not: {
        const Value a = pick(integer, target);
        return add(~a.expr, integer, a.level, full_range(integer));
      }
      case Make::int_neg: {
        const Value a = pick(is_signed, target);
        return add(-a.expr, is_signed, a.level, full_range(is_signed));
      }
      case Make::int_abs: {
        const Value a = pick(is_signed, target);
        return add(abs(a.expr), is_signed, a.level, full_range(is_signed));
      }
      case Make::mulhi:
        return binary([](Expr a, Expr b) { return mulhi(a, b); }, DType::u32);
      case Make::int_choose:
        return make_choice(one_in(5) ? DType::pred : integer, target);
      case Make::int_cast: {
        const Value a = one_in(5) ? condition(target) : pick(any_of(kIntegers), target);
        if (a.dtype == integer) return;
        return add(cast(a.expr, integer), integer, a.level, wrapped(integer, a.facts));
      }
      case Make::to_integer: {
        const Value a = exact_f32(target);
        Facts f = join(full_range(integer), range(0, 0));
        if (!a.facts.special() && a.facts.low >= f.low && a.facts.high <= f.high)
          f = range(std::floor(a.facts.low), std::ceil(a.facts.high));
        return add(cast(a.expr, integer), integer, a.level, f);
      }
      case Make::int_bitcast: {
        const DType to = one_in(2) ? DType::i32 : DType::u32;
        const Value a = pick(to == DType::i32 ? DType::u32 : DType::i32, target);
        return add(bitcast(a.expr, to), to, a.level, wrapped(to, a.facts));
      }
      case Make::to_bits: {  // + 0: one zero; NaNs have many forms
        const Value a = exact_f32(target, false);
        return add(bitcast(a.expr + 0.0f, DType::u32), DType::u32, a.level, full_range(DType::u32));
      }
      case Make::compare: {
        const bool floating = one_in(2);
        const Value a = floating ? exact_f32(target) : pick(integer, target);
        const Value b = floating ? exact_f32(target) : pick(integer, target);
        const uint64_t which = below(6);
        const Expr expr = which == 0   ? a.expr == b.expr
                          : which == 1 ? a.expr != b.expr
                          : which == 2 ? a.expr < b.expr
                          : which == 3 ? a.expr <= b.expr
                          : which == 4 ? a.expr > b.expr
                                       : a.expr >= b.expr;
        return add(expr, DType::pred, std::max(a.level, b.level), range(0, 1));
      }
      case Make::logic: {
        const Value a = condition(target);
        const Value b = condition(target);
        const uint64_t which = below(6);
        const Expr expr = which == 0   ? a.expr & b.expr
                          : which == 1 ? a.expr | b.expr
                          : which == 2 ? a.expr ^ b.expr
                          : which == 3 ? ~a.expr & b.expr
                          : which == 4 ? a.expr == b.expr
                                       : a.expr != b.expr;
        return add(expr, DType::pred, std::max(a.level, b.level), range(0, 1));
      }
      case Make::to_pred: {
        const Value a = one_in(2) ? exact_f32(target) : pick(integer, target);
        return add(cast(a.expr, DType::pred), DType::pred, a.level, range(0, 1));
      }
      case Make::philox:
        return make_philox(target, false);
      case Make::gumbel:
        return make_philox(target, one_in(2));
      case Make::column_bits:
        return make_column_bits(target);
      case Make::gather:
        return make_gather(target);
      case Make::count:
        return;
    }
  }

  void make_philox(Level target, bool to_gumbel) {
    std::vector<Value> v;
    Level level = Level::row;
    for (int i = 0; i < 6; ++i) {
      v.push_back(i < 2 ? pick(DType::u32, target) : constant(DType::u32));
      level = std::max(level, v.back().level);
    }
    const int rounds = one_in(4) ? 1 + static_cast<int>(below(16)) : one_in(2) ? 7 : 10;
    const auto words = philox({v[0].expr, v[1].expr, v[2].expr, v[3].expr}, {v[4].expr, v[5].expr}, rounds);
    const size_t which = below(3);
    if (!to_gumbel) {
      add(words[which], DType::u32, level, full_range(DType::u32));
      if (one_in(2)) add(words[which + 1], DType::u32, level, full_range(DType::u32));
      return;
    }
    Facts f = range(-4, 46, false);
    f.absolute = 2e-4;  // what docs/semantics.md allows
    // Half of the words are shifted to where the second word matters.
    const Expr hi = one_in(2) ? words[which] : words[which] >> 15;
    add(gumtile::gumbel(hi, words[which + 1]), DType::f32, level, f);
  }

  // ---- reductions ----
  Value sometimes_special(Value x, Level target) {
    if (!one_in(4)) return x;
    const bool nan = one_in(2);
    const float special = nan ? std::numeric_limits<float>::quiet_NaN() : one_in(3) ? kInf : -kInf;
    const Value where = condition(target);
    x.expr = select(where.expr, special, x.expr);
    x.level = std::max(x.level, where.level);
    (nan ? x.facts.nan : x.facts.inf) = true;
    return x;
  }

  void fold(Axis axis, Level from, Level to) {
    const bool member = to == Level::group;
    const double terms = member ? 16 : static_cast<double>(extents_.columns);
    auto result = [&](const Expr& e, DType dtype, const Facts& facts) { add(e, dtype, to, facts); };
    using States = std::span<const Expr>;
    const auto what = static_cast<Fold>(below(static_cast<uint64_t>(Fold::count)));
    switch (one_in(4) ? Fold::argmax : what) {
      case Fold::max:
      case Fold::min: {
        const Value x = sometimes_special(any_f32(from), from);
        return one_in(2) ? result(reduce_max(x.expr, axis), DType::f32, x.facts)
                         : result(reduce_min(x.expr, axis), DType::f32, x.facts);
      }
      case Fold::bits_or:
        return result(reduce_or(pick(DType::u32, from).expr, axis), DType::u32, full_range(DType::u32));
      case Fold::sum_u32: {
        const Value x = one_in(3) ? condition(from) : pick(DType::u32, from);
        Facts f = x.facts;
        f.high *= terms;
        f.low = 0;
        return result(reduce_sum(cast(x.expr, DType::u32), axis), DType::u32, wrapped(DType::u32, f));
      }
      case Fold::sum_f32: {
        Value x = summand(from, terms);
        if (member && one_in(2)) x = bounded(any_f32(from), 1e3);
        Facts f = x.facts;
        f.low = std::min(f.low, f.low * terms);
        f.high = std::max(f.high, f.high * terms);
        if (!x.facts.exact() || !x.facts.whole || f.magnitude() > kExact)
          f.absolute = terms * (x.facts.error() + terms * x.facts.magnitude() * kEpsilon);
        return result(reduce_sum(x.expr, axis), DType::f32, f);
      }
      case Fold::sum_64: {
        const DType dtype = one_in(2) ? DType::u64 : DType::i64;
        const Value x = pick(dtype, from);
        const Expr key = x.expr >> 12;  // a literal identity must be exact in f64
        const auto state =
            reduce("sum_and_max", axis, {x.expr, key},
                   {0, p_.constant(dtype, dtype == DType::u64 ? 0 : -0x1p53)}, [](States a, States b) {
                     return std::vector<Expr>{a[0] + b[0], max(a[1], b[1])};
                   });
        result(state[0], dtype, full_range(dtype));
        return result(state[1], dtype, full_range(dtype));
      }
      case Fold::argmax:
        return fold_argmax(axis, from, to);
      case Fold::max_count: {
        const Value x = exact_f32(from, false);
        const auto state =
            reduce("max_and_count", axis, {x.expr, p_.constant_u32(1)}, {-kInf, 0}, [](States a, States b) {
              const Expr count = select(a[0] == b[0], a[1] + b[1], select(a[0] > b[0], a[1], b[1]));
              return std::vector<Expr>{max(a[0], b[0]), count};
            });
        result(state[0], DType::f32, x.facts);
        return result(state[1], DType::u32, range(0, terms));
      }
      case Fold::top_two: {
        const Value x = any_f32(from);
        if (x.facts.nan) return;
        const auto state =
            reduce("top_two", axis, {x.expr, p_.constant(DType::f32, -kInf)}, {-kInf, -kInf},
                   [](States a, States b) {
                     return std::vector<Expr>{max(a[0], b[0]), max(min(a[0], b[0]), max(a[1], b[1]))};
                   });
        result(state[0], DType::f32, x.facts);
        Facts second = x.facts;
        second.inf = true;
        return result(state[1], DType::f32, second);
      }
      case Fold::bits_pair: {
        const Value x = pick(DType::u32, from);
        const Value y = pick(DType::u32, from);
        const auto state = reduce("xor_and", axis, {x.expr, y.expr, x.expr}, {0, p_.constant_u32(~0u), 0},
                                  [](States a, States b) {
                                    return std::vector<Expr>{a[0] ^ b[0], a[1] & b[1], a[2] + b[2]};
                                  });
        result(state[0], DType::u32, full_range(DType::u32));
        result(state[1], DType::u32, full_range(DType::u32));
        return result(state[2], DType::u32, full_range(DType::u32));
      }
      case Fold::integer_range: {
        const Value x = pick(DType::i32, from);
        const auto state = reduce("range", axis, {x.expr, x.expr},
                                  {p_.constant(DType::i32, 0x7fffffff), p_.constant(DType::i32, -0x1p31)},
                                  [](States a, States b) {
                                    return std::vector<Expr>{min(a[0], b[0]), max(a[1], b[1])};
                                  });
        result(state[0], DType::i32, x.facts);
        return result(state[1], DType::i32, x.facts);
      }
      case Fold::max_u32: {
        const Value x = pick(DType::u32, from);
        const Expr key = x.expr & 0xffffff;
        const auto state = reduce(
            "max_u32", axis, {key}, {0},
            [](States a, States b) { return std::vector<Expr>{max(a[0], b[0])}; },
            member ? std::nullopt : std::optional(key + static_cast<int>(below(100))));
        return result(state[0], DType::u32, range(0, 0xffffff));
      }
      case Fold::count:
        return;
    }
  }

  void fold_argmax(Axis axis, Level from, Level to) {
    const Value key = sometimes_special(exact_f32(from), from);
    const bool grouped = split_ && axis.id == split_->group.id;
    std::vector<Value> carried;
    std::vector<Expr> carry;
    for (uint64_t n = below(3); n > 0; --n) {
      constexpr DType kCarried[] = {DType::f32, DType::f32, DType::u32, DType::i32, DType::u64};
      const DType dtype = any_of(kCarried);
      carried.push_back(dtype == DType::f32 ? any_f32(from) : pick(dtype, from));
      carry.push_back(carried.back().expr);
    }
    std::optional<Expr> bound;
    if (to == Level::final && one_in(2)) {
      const Value slack = exact_f32(from, false);
      bound = one_in(2) ? key.expr + abs(slack.expr) : key.expr + static_cast<float>(below(5));
    }
    const Expr index =
        grouped ? (selected_ && one_in(2) ? *selected_ : split_->group.index()) : column_.index();
    const Pick best = argmax(key.expr, index, axis, carry, bound);
    Facts f = key.facts;
    if (f.nan) f.inf = true;  // only NaN: no winner
    f.nan = false;
    add(best.key, DType::f32, to, f);
    add(best.index, DType::u32, to, full_range(DType::u32));
    for (size_t i = 0; i < carried.size(); ++i)
      add(best.carry[i], carried[i].dtype, to, join(carried[i].facts, range(0, 0)));
  }

  void select_member() {
    const Value x = pick(DType::u32, Level::element);
    const Expr weights = x.expr & static_cast<int>((2u << below(16)) - 1);
    const Expr threshold =
        one_in(2) ? pick(DType::u32, Level::group).expr & 0xffff
                  : mulhi(pick(DType::u32, Level::group).expr, reduce_sum(weights, split_->member));
    selected_ = select_ordered(*split_, weights, threshold);
    add(*selected_, DType::u32, Level::group, range(0, 2048));
    const Value carried = any_f32(Level::element);
    if (carried.facts.nan) return;
    Facts f = carried.facts;
    f.inf = true;  // none where the group's last column is past the end
    add(value_at(carried.expr, *selected_, column_, split_->member), DType::f32, Level::group, f);
  }

  void log_sum_exp() {
    const Value x = bounded(any_f32(Level::element), 20);
    if (x.facts.nan) return;
    Expr value = x.expr;
    Facts f = range(-20, 28, false);
    if (one_in(2)) {
      value = select(condition(Level::element).expr, value, -kInf);
      f.inf = true;
    }
    f.absolute = x.facts.error() + 2e-5;
    add(logsumexp(value, *split_), DType::f32, Level::final, f);
  }

  // ---- outputs ----
  int64_t positions() const { return 2 * extents_.rows + 4; }

  /// A separate place for each row, or none.
  Expr make_position() {
    const Expr row = batch_.index();
    switch (below(4)) {
      case 0:
        return p_.constant(DType::i32, static_cast<double>(extents_.rows)) - cast(row, DType::i32);
      case 1:
        return row * 2u + 1u;
      default:
        break;
    }
    constexpr DType kPositions[] = {DType::i32, DType::u32, DType::i64};
    const DType type = any_of(kPositions);
    std::vector<int64_t> places;
    for (int64_t i = 0; i < positions(); ++i) places.push_back(i);
    for (size_t i = places.size() - 1; i > 0; --i) std::swap(places[i], places[below(i + 1)]);
    Array at = make_array(type, 1, extents_.rows);
    for (int64_t r = 0; r < extents_.rows; ++r) {
      int64_t place = places[static_cast<size_t>(r)];
      if (type != DType::u32 && one_in(4)) place = -1 - static_cast<int64_t>(below(1u << 31));
      std::memcpy(at.bytes.data() + r * static_cast<int64_t>(size_bytes(type)), &place, size_bytes(type));
    }
    const std::string name = fmt::format("x{}", arrays_.size());
    const bool optional = one_in(2);
    arrays_.push_back(optional && one_in(3) ? absent(type) : at);
    return optional ? p_.optional_input(name, type, {batch_}).at({row, cast(row, type)})
                    : p_.input(name, type, {batch_}).at({row});
  }

  void output(const Value& v, bool tile) {
    const std::string name = fmt::format("y{}", tolerance_.size());
    DType stored = v.dtype;
    Value x = v;
    if (v.dtype == DType::f32 && one_in(2)) {
      stored = one_in(2) ? DType::bf16 : DType::f16;
      if (!x.facts.exact() && x.facts.magnitude() > 3e4) x = bounded(x, 3e4);
    }
    if (is_integer(v.dtype) && one_in(3)) {
      stored = one_in(3) ? DType::u64 : DType::i64;
      x.expr = cast(x.expr, stored);
    }
    Tolerance t{2 * x.facts.relative, 2 * x.facts.absolute};
    if (!x.facts.exact() && stored == DType::bf16) t.relative += 0x1p-7;
    if (!x.facts.exact() && stored == DType::f16) {
      t.relative += 0x1p-10;
      t.absolute += 0x1p-24;
    }
    tolerance_.push_back(t);
    if (tile)
      p_.tile_output(name, x.expr, stored);
    else if (one_in(3))
      p_.scattered_output(name, x.expr, make_position(), stored);
    else
      p_.output(name, x.expr, stored);
  }

  void make_outputs() {
    std::vector<Value> last;
    std::vector<Value> elements;
    for (const Value& v : pool_) {
      if (v.level == Level::final) last.push_back(v);
      if (v.level == Level::element) elements.push_back(v);
    }
    for (uint64_t n = 2 + below(4); n > 0 && !last.empty(); --n) {
      const size_t at = std::max(below(last.size()), below(last.size()));
      output(last[at], false);
    }
    if (one_in(6))
      output(pool_[below(2) == 0 ? 0 : pool_.size() - 1].level == Level::row ? pool_.back() : pool_[0],
             false);
    for (uint64_t n = one_in(2) ? 1 + below(2) : 0; n > 0; --n)
      output(elements[std::max(below(elements.size()), below(elements.size()))], true);
    if (auto bits = find(one_in(2) ? DType::u32 : DType::i32, Level::final); bits && one_in(3)) {
      p_.any_output(fmt::format("y{}", tolerance_.size()), bits->expr);
      tolerance_.push_back({});
    }
    if (tolerance_.empty()) output(elements[0], true);
  }

  Random random_;
  ProgramBuilder p_;
  Extents extents_;
  int64_t slots_ = 0;
  Axis batch_, column_, slot_;
  std::optional<Axis> words_;  ///< of 32 columns
  std::optional<Split> split_;
  std::optional<Expr> selected_;
  bool inactive_slots_ = false;
  std::vector<Array> arrays_;  ///< in the order of the Program's inputs
  std::vector<Value> pool_;
  std::vector<Tolerance> tolerance_;
};

bool agree(double a, double b, const Tolerance& t) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return std::fabs(a - b) <= t.relative * std::fabs(a) + t.absolute;
}

}  // namespace

RandomProgram make_random_program(uint64_t seed) { return Generator(seed).run(); }

std::string difference(const RandomProgram& random, const Outputs& expected, const Outputs& actual) {
  if (random.problem.extents.rows == 0) return "";
  for (size_t o = 0; o < expected.size(); ++o) {
    const Array& e = expected[o];
    const Array& a = actual[o];
    const size_t bytes = size_bytes(e.dtype);
    for (int64_t i = 0; i < static_cast<int64_t>(e.bytes.size() / bytes); ++i) {
      const size_t at = static_cast<size_t>(i) * bytes;
      if (std::memcmp(&e.bytes[at], &a.bytes[at], bytes) == 0) continue;
      std::string values;
      if (is_float(e.dtype)) {
        if (agree(e.get(i), a.get(i), random.tolerance[o])) continue;
        values = fmt::format("{:.9g} expected, {:.9g} found, tolerance {:.2g} relative {:.2g} absolute",
                             e.get(i), a.get(i), random.tolerance[o].relative, random.tolerance[o].absolute);
      } else {
        uint64_t x = 0;
        uint64_t y = 0;
        std::memcpy(&x, &e.bytes[at], bytes);
        std::memcpy(&y, &a.bytes[at], bytes);
        values = fmt::format("{:#x} expected, {:#x} found", x, y);
      }
      return fmt::format("output {} ({}) element {} (row {}, column {}): {}",
                         random.problem.program.outputs[o].name, name(e.dtype), i, i / e.row_stride,
                         i % e.row_stride, values);
    }
  }
  return "";
}

}  // namespace gumtile::test
