#include "codegen/common/sweep_states.h"

#include "codegen/common/control_flow.h"

namespace gumtile::codegen {

using llvm::Value;

std::vector<Value*> split_words(OpEmitter& ops, DType dtype, Value* value) {
  llvm::IRBuilder<>& b = ops.b;
  llvm::Type* word = ops.type(DType::u32);
  if (dtype == DType::pred) return {b.CreateZExt(value, word)};
  if (size_bytes(dtype) == 8)
    return {b.CreateTrunc(value, word), b.CreateTrunc(b.CreateLShr(value, 32), word)};
  return {b.CreateBitCast(value, word)};
}

Value* join_words(OpEmitter& ops, DType dtype, const Value* const* words) {
  llvm::IRBuilder<>& b = ops.b;
  auto* low = const_cast<Value*>(words[0]);
  if (dtype == DType::pred) return b.CreateICmpNE(low, llvm::Constant::getNullValue(low->getType()));
  if (size_bytes(dtype) != 8) return b.CreateBitCast(low, ops.type(dtype));
  llvm::Type* wide = ops.type(DType::u64);
  return b.CreateOr(b.CreateZExt(low, wide),
                    b.CreateShl(b.CreateZExt(const_cast<Value*>(words[1]), wide), 32));
}

std::vector<Value*> load_components(llvm::IRBuilder<>& b, const std::vector<llvm::AllocaInst*>& state) {
  std::vector<Value*> values;
  for (llvm::AllocaInst* part : state) values.push_back(get(b, part));
  return values;
}

void store_components(llvm::IRBuilder<>& b, const std::vector<Value*>& values,
                      const std::vector<llvm::AllocaInst*>& state) {
  for (size_t i = 0; i < values.size(); ++i) b.CreateStore(values[i], state[i]);
}

RowStates SweepStates::make() const {
  Variables variables(b);
  RowStates states;
  for (size_t r = 0; r < count(); ++r) {
    std::vector<llvm::AllocaInst*> parts;
    for (DType dtype : reduction(r).state) parts.push_back(variables.make(ops_.type(dtype)));
    states.components.push_back(std::move(parts));
  }
  return states;
}

void SweepStates::store(const RowStates& states, const StateValues& values) {
  for (size_t r = 0; r < values.size(); ++r) store_components(b, values[r], states.components[r]);
}

StateValues SweepStates::load(const RowStates& states) {
  StateValues values;
  for (const auto& state : states.components) values.push_back(load_components(b, state));
  return values;
}

StateValues SweepStates::identity() const {
  StateValues values;
  for (size_t r = 0; r < count(); ++r) values.push_back(ops_.identity(reduction(r)));
  return values;
}

StateValues SweepStates::combine(const StateValues& left, const StateValues& right) {
  StateValues values;
  for (size_t r = 0; r < left.size(); ++r) values.push_back(ops_.combine(reduction(r), left[r], right[r]));
  return values;
}

std::vector<Value*> SweepStates::to_words(const StateValues& values) {
  std::vector<Value*> words;
  for (size_t r = 0; r < values.size(); ++r)
    for (size_t i = 0; i < values[r].size(); ++i)
      for (Value* word : split_words(ops_, reduction(r).state[i], values[r][i])) words.push_back(word);
  return words;
}

StateValues SweepStates::from_words(const std::vector<Value*>& words) {
  StateValues values;
  size_t at = 0;
  for (size_t r = 0; r < count(); ++r) {
    std::vector<Value*> state;
    for (DType dtype : reduction(r).state) {
      state.push_back(join_words(ops_, dtype, &words[at]));
      at += size_bytes(dtype) == 8 ? 2 : 1;
    }
    values.push_back(std::move(state));
  }
  return values;
}

}  // namespace gumtile::codegen
