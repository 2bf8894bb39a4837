#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codegen/common/llvm.h"

namespace gumtile::codegen::ptx {

/// A call of inline assembly that the whole warp executes together.
inline llvm::Value* assembly(llvm::IRBuilder<>& b, llvm::Type* result, std::string_view text,
                             std::string_view constraints, llvm::ArrayRef<llvm::Value*> operands,
                             bool touches_memory) {
  std::vector<llvm::Type*> types;
  for (llvm::Value* operand : operands) types.push_back(operand->getType());
  auto* type = llvm::FunctionType::get(result, types, false);
  std::string all(constraints);
  if (touches_memory) all += all.empty() ? "~{memory}" : ",~{memory}";
  auto* code = llvm::InlineAsm::get(type, {text.data(), text.size()}, all, touches_memory);
  llvm::CallInst* call = b.CreateCall(type, code, operands);
  call->addFnAttr(llvm::Attribute::Convergent);
  call->addFnAttr(llvm::Attribute::NoUnwind);
  return call;
}

}  // namespace gumtile::codegen::ptx
