#pragma once

#include <llvm/Target/TargetMachine.h>

#include <string_view>

#include "codegen/common/llvm.h"

namespace gumtile::codegen {

/// Verifies `module` and optimises it for `machine` with these passes (in `opt`'s notation; empty: those of
/// -O2). Throws Error(internal) with the verifier's text.
void optimize(llvm::Module& module, llvm::TargetMachine& machine, std::string_view passes);

/// Assembly text or an object file.
std::string generate(llvm::Module& module, llvm::TargetMachine& machine, llvm::CodeGenFileType type);

/// Makes the context collect errors in `message`, which the caller has to check, instead of ending the
/// process.
void collect_diagnostics(llvm::LLVMContext& context, std::string& message);

/// The module's text.
std::string print_ir(const llvm::Module& module);

}  // namespace gumtile::codegen
