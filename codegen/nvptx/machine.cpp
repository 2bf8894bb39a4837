#include <fmt/format.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Triple.h>

#include <mutex>

#include "codegen/nvptx/kernel.h"
#include "gumtile/error.h"

namespace gumtile::codegen {

NvptxMachine make_nvptx_machine(const Target& target) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
  });
  const llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string error;
  const llvm::Target* found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!found) throw Error(ErrorCode::internal, fmt::format("this LLVM has no NVPTX backend: {}", error));
  NvptxMachine result;
  result.ptx_version = target.suffix_a ? target.gpu().ptx_version_suffix : target.gpu().ptx_version;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;  // FMAs are explicit: samples are defined bit for bit
  result.machine.reset(found->createTargetMachine(
      triple, target.str(), fmt::format("+ptx{}", result.ptx_version), options, llvm::Reloc::Static,
      llvm::CodeModel::Small, llvm::CodeGenOptLevel::Aggressive));
  return result;
}

}  // namespace gumtile::codegen
