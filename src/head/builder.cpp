#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "gumtile/dsl_functions.h"
#include "gumtile/error.h"
#include "gumtile/head_program.h"
#include "head/fields.h"
#include "head/settings.h"

namespace gumtile {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

/// Columns {8j + 2q + e} of a block of 64: what one lane holds of a row of m16n8 tiles.
constexpr uint32_t kGroupMask = 0x39;

const head::Field& field_named(std::string_view name, head::FieldKind kind) {
  const head::Field* field = head::find_field(name);
  if (field == nullptr || field->kind != kind)
    throw Error(ErrorCode::usage, fmt::format("'{}' is not an {} of a sampling call", name,
                                              kind == head::FieldKind::input ? "input" : "output"));
  return *field;
}

void check_own_name(const std::string& name, const char* what) {
  if (head::find_field(name) != nullptr || head::find_head_option(name) != nullptr)
    throw Error(ErrorCode::usage,
                fmt::format("'{}' is a field of gumtile's own; give the {} another name", name, what));
}

const Expr& known(const std::optional<Expr>& value, const char* what, const char* since) {
  if (!value) throw Error(ErrorCode::usage, fmt::format("{} is known from the stage '{}' on", what, since));
  return *value;
}

}  // namespace

HeadBuilder::HeadBuilder(ProgramBuilder& builder, const SamplingOptions& sampling, Axis batch_axis,
                         Axis vocab_axis, Expr logits)
    : p(builder),
      options(sampling),
      batch(batch_axis),
      vocab(vocab_axis),
      slots(builder.axis("slot")),
      split(builder.split(vocab_axis, kGroupMask)),
      logit(logits),
      row_(batch_axis.index()),
      slot_(row_) {
  slot_ = input("row_slot");
  p.guard((slot_ >= 0) & (cast(row_, DType::i32) < input("num_rows")));
}

Expr HeadBuilder::read(const std::string& name, DType dtype, Over over, std::optional<Expr> absent) {
  const auto seen =
      std::find_if(inputs_.begin(), inputs_.end(), [&](const Input& other) { return other.name == name; });
  if (seen != inputs_.end()) {
    if (seen->dtype != dtype || seen->over != over)
      throw Error(
          ErrorCode::usage,
          fmt::format("the input '{}' is read as {} and as {}, or over other axes; give one another name",
                      name, gumtile::name(seen->dtype), gumtile::name(dtype)));
    return seen->value;
  }
  std::vector<Axis> axes;
  std::vector<Expr> at;
  switch (over) {
    case Over::one:
      break;
    case Over::rows:
      axes = {batch};
      at = {row_};
      break;
    case Over::slots:
      axes = {slots};
      at = {slot_};
      break;
    case Over::vocab:
      axes = {vocab};
      at = {vocab.index()};
      break;
    case Over::rows_hidden:
      throw Error(ErrorCode::usage,
                  fmt::format("'{}' is an operand of the product; no fragment reads it", name));
  }
  const Tensor tensor = absent ? p.optional_input(name, dtype, axes) : p.input(name, dtype, axes);
  if (absent) at.push_back(*absent);
  return inputs_.emplace_back(Input{name, dtype, over, tensor.at(at)}).value;
}

Expr HeadBuilder::input(std::string_view field) {
  const head::Field& row = field_named(field, head::FieldKind::input);
  const DType dtype = head::element_type(row, options);
  std::optional<Expr> absent;
  if (row.absent.kind == head::Absent::Kind::own_row) absent = cast(row_, dtype);
  if (row.absent.kind == head::Absent::Kind::value)
    absent = p.constant(compute_type(dtype), row.absent.value);
  return read(std::string(row.name), dtype, row.over, absent);
}

Expr HeadBuilder::input(const std::string& name, DType dtype, Over over, std::optional<double> absent) {
  check_own_name(name, "input");
  return read(name, dtype, over,
              absent ? std::optional(p.constant(compute_type(dtype), *absent)) : std::nullopt);
}

std::optional<Expr> HeadBuilder::array(std::string_view option) {
  for (const head::ArraySetting& array : head::array_settings())
    if (array.name == option) {
      const std::optional<DType> dtype = array.dtype(options.settings);
      if (!dtype) return std::nullopt;
      return read(std::string(option), *dtype, head::find_head_option(option)->over, std::nullopt);
    }
  throw Error(ErrorCode::usage, fmt::format("'{}' is not an array of a head", option));
}

void HeadBuilder::scale(Expr greedy, Expr factor) {
  greedy_ = greedy;
  factor_ = factor;
}

Expr HeadBuilder::greedy() const { return known(greedy_, "whether a row is greedy", "candidates"); }

Expr HeadBuilder::scaled() const { return logit * known(factor_, "the scaled logit", "candidates"); }

// The largest scaled logit. Multiplication by a positive number and rounding preserve the order, so one
// product suffices.
Expr HeadBuilder::group_max() const {
  return reduce_max(logit, split.member) * known(factor_, "a group's maximum", "candidates");
}

void HeadBuilder::candidates(Expr keep) { logit = select(keep, logit, -kInf); }

void HeadBuilder::carry(const std::string& name, Expr value) {
  carried_.push_back({name, value, std::nullopt});
}

std::vector<Expr> HeadBuilder::carries() const {
  std::vector<Expr> values;
  for (const Carried& carried : carried_) values.push_back(carried.value);
  return values;
}

Expr HeadBuilder::carried(std::string_view name) const {
  for (const Carried& carried : carried_)
    if (carried.name == name) return known(carried.chosen, "what the chosen token carries", "results");
  throw Error(ErrorCode::usage,
              fmt::format("nothing carries '{}'; ask for it by carry() in an earlier stage", name));
}

void HeadBuilder::choose(Expr key, Expr token, const std::vector<Expr>& values) {
  chosen_ = {key, token};
  for (size_t i = 0; i < carried_.size(); ++i) carried_[i].chosen = values.at(i);
}

Expr HeadBuilder::token() const {
  if (!chosen_) throw Error(ErrorCode::usage, "the token is known from the stage 'results' on");
  return chosen_->second;
}

void HeadBuilder::fail(std::string_view status, Expr when) {
  const head::StatusBit* bit = head::find_status_bit(status);
  if (bit == nullptr) throw Error(ErrorCode::usage, fmt::format("there is no status bit '{}'", status));
  if (status_)
    throw Error(ErrorCode::usage, fmt::format("'{}' is set after the status was asked for", status));
  failures_.push_back({bit->bit, when});
}

// NaN and +inf are collected from all groups. `no_candidate` and the failures that fragments reported are
// added after that, in the table's order.
Expr HeadBuilder::status() {
  if (status_) return *status_;
  if (!chosen_) throw Error(ErrorCode::usage, "the status is known from the stage 'results' on");
  const Expr top = group_max();
  const Expr group_status =
      select(top < kInf, p.constant_u32(0),
             select(top == kInf, p.constant_u32(status_inf_logit), p.constant_u32(status_nan_logit)));
  const Expr seen = reduce_or(group_status, split.group);
  failures_.push_back(
      {status_no_candidate, (chosen_->first == -kInf) & ((seen & uint32_t{status_nan_logit}) == 0)});
  std::sort(failures_.begin(), failures_.end(),
            [](const Failure& a, const Failure& b) { return a.bit < b.bit; });
  Expr status = seen;
  for (const Failure& failure : failures_)
    status = status | select(failure.when, p.constant_u32(failure.bit), 0);
  status_ = status;
  return status;
}

Expr HeadBuilder::failed() {
  const Expr word = status();
  uint32_t bits = status_nan_logit;
  for (const head::StatusBit& bit : head::status_bits())
    for (const Failure& failure : failures_)
      if (bit.fails && failure.bit == bit.bit) bits |= bit.bit;
  return (word & bits) != 0;
}

void HeadBuilder::output(std::string_view field, Expr value) {
  const head::Field& row = field_named(field, head::FieldKind::output);
  const bool optional = row.absent.kind != head::Absent::Kind::refused;
  if (row.over == Over::one)
    p.any_output(std::string(row.name), value, optional);
  else
    p.output(std::string(row.name), value, std::nullopt, optional);
}

void HeadBuilder::output_at(std::string_view field, Expr value, Expr position) {
  const head::Field& row = field_named(field, head::FieldKind::output);
  p.scattered_output(std::string(row.name), value, position, std::nullopt,
                     row.absent.kind != head::Absent::Kind::refused);
}

void HeadBuilder::output(const std::string& name, DType dtype, Expr value) {
  check_own_name(name, "output");
  p.output(name, value, dtype, true);
}

}  // namespace gumtile
