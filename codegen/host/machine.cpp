#include "codegen/host/machine.h"

#include <fmt/format.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/SubtargetFeature.h>
#include <llvm/TargetParser/Triple.h>
#include <llvm/TargetParser/X86TargetParser.h>

#include <functional>
#include <mutex>
#include <set>
#include <string_view>

#include "gumtile/error.h"

namespace gumtile::codegen {
namespace {

void initialize_host_target() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    llvm::InitializeNativeTargetAsmParser();
  });
}

/// Whether a feature is an extension of the instruction set that some 64-bit processor has. LLVM has many
/// more features: 16- and 32-bit modes, soft floating point, tuning, hardening. With some of them no kernel
/// can be compiled, or LLVM ends the process.
bool is_extension(llvm::StringRef feature, const llvm::Triple& triple) {
  if (!triple.isX86()) return true;
  static const std::set<std::string, std::less<>> kExtensions = [] {
    llvm::SmallVector<llvm::StringRef> cpus;
    llvm::X86::fillValidCPUArchList(cpus, /*Only64Bit=*/true);
    std::set<std::string, std::less<>> all;
    for (const llvm::StringRef cpu : cpus) {
      llvm::SmallVector<llvm::StringRef> features;
      llvm::X86::getFeaturesForCPU(cpu, features);
      for (const llvm::StringRef name : features) all.insert(name.str());
    }
    return all;
  }();
  return kExtensions.count(std::string_view(feature)) != 0;
}

/// Takes a name such as "x86-64-v4+avx512bf16": LLVM's name of a CPU, followed by LLVM's names of further
/// features. Throws Error(usage) for names that LLVM does not know, about which it would only warn on stderr,
/// and for those with which it would end the process.
void take_named_cpu(HostMachine& host, const Target& target, const llvm::Target& found,
                    const llvm::Triple& triple) {
  const std::unique_ptr<llvm::MCSubtargetInfo> generic(found.createMCSubtargetInfo(triple, "", ""));
  const size_t plus = target.cpu.find('+');
  host.cpu = target.cpu.substr(0, plus);
  if (!generic->isCPUStringValid(host.cpu))
    throw Error(ErrorCode::usage,
                fmt::format("unknown CPU '{}' in target '{}'; examples are x86-64-v2, x86-64-v3, "
                            "x86-64-v4 and sapphirerapids",
                            host.cpu, target.str()));
  const std::unique_ptr<llvm::MCSubtargetInfo> named(found.createMCSubtargetInfo(triple, host.cpu, ""));
  if (triple.isX86() && !named->checkFeatures("+64bit"))
    throw Error(ErrorCode::usage, fmt::format("the CPU '{}' in target '{}' has 32 bits; kernels need x86-64",
                                              host.cpu, target.str()));
  if (plus == std::string::npos) return;
  llvm::SmallVector<llvm::StringRef> names;
  llvm::StringRef(target.cpu).drop_front(plus + 1).split(names, '+');
  llvm::SubtargetFeatures features;
  for (const llvm::StringRef name : names) {
    const auto& known = generic->getAllProcessorFeatures();
    if (llvm::none_of(known, [&](const auto& feature) { return name == feature.Key; }) ||
        !is_extension(name, triple))
      throw Error(ErrorCode::usage,
                  fmt::format("unknown feature '{}' in target '{}'; expected an extension of the instruction "
                              "set, as in host:x86-64-v4+avx512bf16",
                              name.str(), target.str()));
    features.AddFeature(name);
  }
  host.features = features.getString();
}

std::string host_features() {
  llvm::SubtargetFeatures features;
  for (const auto& feature : llvm::sys::getHostCPUFeatures())
    features.AddFeature(feature.first(), feature.second);
  return features.getString();
}

}  // namespace

HostMachine make_host_machine(const Target& target) {
  initialize_host_target();
  HostMachine host;
  const llvm::Triple triple(llvm::sys::getProcessTriple());
  std::string error;
  const llvm::Target* found = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!found) throw Error(ErrorCode::internal, fmt::format("LLVM has no target {}: {}", triple.str(), error));
  if (target.cpu.empty()) {
    host.cpu = llvm::sys::getHostCPUName().str();
    host.features = host_features();
  } else {
    take_named_cpu(host, target, *found, triple);
  }
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;  // FMAs are written out
  host.machine.reset(found->createTargetMachine(triple, host.cpu, host.features, options, llvm::Reloc::PIC_,
                                                llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
  const llvm::MCSubtargetInfo& subtarget = *host.machine->getMCSubtargetInfo();
  if (triple.isX86()) {
    auto has = [&](const char* feature) { return subtarget.checkFeatures(std::string("+") + feature); };
    host.lanes = has("avx512f") && has("avx512bw") && has("avx512vl") ? 16 : has("avx") ? 8 : 4;
    host.has_fma = has("fma");
    host.has_rounding = has("sse4.1");
    host.has_f16 = has("f16c");
    host.has_bf16_dot = host.lanes == 16 && has("avx512bf16");
  } else {  // AArch64 and others with 128-bit vectors, FMA and rounding in their base
    host.has_fma = true;
    host.has_rounding = true;
    host.has_f16 = triple.isAArch64();
  }
  return host;
}

}  // namespace gumtile::codegen
