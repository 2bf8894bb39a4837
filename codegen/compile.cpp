#include <fmt/format.h>
#include <llvm/Config/llvm-config.h>

#include <chrono>
#include <functional>

#include "codegen/common/pipeline.h"
#include "codegen/dump.h"
#include "codegen/host/kernel.h"
#include "codegen/host/machine.h"
#include "codegen/nvptx/kernel.h"
#include "gumtile/compiler.h"
#include "gumtile/error.h"
#include "gumtile/version.h"
#include "source_digest.h"
#include "support/float_environment.h"
#include "support/hash.h"

namespace gumtile {
namespace {

/// A plan on its way through LLVM.
class Compilation {
 public:
  explicit Compilation(const KernelPlan& plan) {
    codegen::collect_diagnostics(context_, diagnostics_);
    module_ = std::make_unique<llvm::Module>("gumtile", context_);
    if (plan.target.is_cuda()) {
      codegen::NvptxMachine nvptx = codegen::make_nvptx_machine(plan.target);
      ptx_version_ = nvptx.ptx_version;
      machine_ = std::move(nvptx.machine);
      prepare();
      codegen::emit_nvptx_kernel(*module_, plan);
    } else {
      host_ = codegen::make_host_machine(plan.target);
      machine_ = std::move(host_.machine);
      prepare();
      codegen::emit_host_kernel(*module_, plan, host_);
    }
    codegen::optimize(*module_, *machine_, plan.target.is_cuda() ? codegen::nvptx_passes(plan) : "");
    check();
  }

  std::string generate(llvm::CodeGenFileType type) {
    std::string bytes = codegen::generate(*module_, *machine_, type);
    check();
    return bytes;
  }

  const llvm::Module& module() const { return *module_; }
  int ptx_version() const { return ptx_version_; }

 private:
  void prepare() {
    module_->setTargetTriple(machine_->getTargetTriple());
    module_->setDataLayout(machine_->createDataLayout());
  }
  void check() const {
    if (!diagnostics_.empty())
      throw Error(ErrorCode::internal, "LLVM rejected the generated code", {diagnostics_});
  }

  DefaultFloatEnvironment default_arithmetic_;  ///< of constants that LLVM folds; first, so that it lasts
  std::string diagnostics_;
  llvm::LLVMContext context_;
  std::unique_ptr<llvm::Module> module_;
  codegen::HostMachine host_;
  std::unique_ptr<llvm::TargetMachine> machine_;
  int ptx_version_ = 0;
};

}  // namespace

KernelArtifact compile(const KernelPlan& plan, const Log& log) {
  const auto start = std::chrono::steady_clock::now();
  KernelArtifact artifact;
  artifact.key = hash_hex(key_text(plan) + compiler_identity(plan.target));
  const codegen::StageDump dump(plan, artifact.key, log);
  dump.keep("program", [&] { return print(plan.program); });
  dump.keep("plan", [&] { return plan.str(); });
  Compilation compilation(plan);
  dump.keep("ll", [&] { return codegen::print_ir(compilation.module()); });
  artifact.target = plan.target.str();
  if (plan.target.is_cuda()) {
    artifact.format = KernelArtifact::Format::ptx;
    artifact.code = compilation.generate(llvm::CodeGenFileType::AssemblyFile);
    artifact.ptx_version = compilation.ptx_version();
    dump.keep("ptx", [&] { return artifact.code; });
  } else {
    artifact.format = KernelArtifact::Format::shared_object;
    artifact.code = codegen::link_shared_object(compilation.generate(llvm::CodeGenFileType::ObjectFile));
    if (plan.target.cpu.empty()) artifact.target = fmt::format("host:{}", host_cpu_name());
    dump.keep("s", [&] { return emit(plan, Stage::assembly); });
    dump.keep("so", [&] { return artifact.code; });
  }
  artifact.launch = plan.launch;
  artifact.schedule = plan.schedule.str();
  artifact.compile_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return artifact;
}

std::string emit(const KernelPlan& plan, Stage stage) {
  Compilation compilation(plan);
  return stage == Stage::llvm ? codegen::print_ir(compilation.module())
                              : compilation.generate(llvm::CodeGenFileType::AssemblyFile);
}

std::string compiler_identity(const Target& target) {
  std::string text = fmt::format("gumtile {} ({}), LLVM {}", GUMTILE_VERSION_STRING, GUMTILE_SOURCE_DIGEST,
                                 LLVM_VERSION_STRING);
  if (target.is_cuda()) return text;
  const codegen::HostMachine host = codegen::make_host_machine(target);
  return text + fmt::format(", {} {}", host.cpu, host.machine->getTargetFeatureString().str());
}

std::string llvm_version() { return LLVM_VERSION_STRING; }

std::string host_cpu_name() { return codegen::make_host_machine({}).cpu; }

}  // namespace gumtile
