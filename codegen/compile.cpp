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

/// What LLVM needs to compile for a target, and the errors that it reports.
struct Session {
  explicit Session(const Target& target) {
    codegen::collect_diagnostics(context, diagnostics);
    if (target.is_cuda()) {
      codegen::NvptxMachine nvptx = codegen::make_nvptx_machine(target);
      ptx_version = nvptx.ptx_version;
      machine = std::move(nvptx.machine);
    } else {
      host = codegen::make_host_machine(target);
      machine = std::move(host.machine);
    }
  }
  void check() const {
    if (!diagnostics.empty())
      throw Error(ErrorCode::internal, "LLVM rejected the generated code", {diagnostics});
  }

  DefaultFloatEnvironment default_arithmetic;  ///< for constants that LLVM folds; first, so that it lasts
  std::string diagnostics;
  llvm::LLVMContext context;
  std::unique_ptr<llvm::TargetMachine> machine;
  codegen::HostMachine host;  ///< its features
  int ptx_version = 0;
};

/// A plan's kernels as optimised LLVM IR.
std::unique_ptr<llvm::Module> lower(const KernelPlan& plan, Session& session) {
  auto module = std::make_unique<llvm::Module>("gumtile", session.context);
  module->setTargetTriple(session.machine->getTargetTriple());
  module->setDataLayout(session.machine->createDataLayout());
  if (plan.target.is_cuda()) {
    codegen::emit_nvptx_kernel(*module, plan);
    codegen::optimize(*module, *session.machine, codegen::nvptx_passes(plan));
  } else {
    codegen::emit_host_kernel(*module, plan, session.host);
    codegen::optimize(*module, *session.machine, "");
  }
  session.check();
  return module;
}

std::string generate(llvm::Module& module, Session& session, llvm::CodeGenFileType type) {
  std::string bytes = codegen::generate(module, *session.machine, type);
  session.check();
  return bytes;
}

}  // namespace

/// All that happens to a plan: LLVM IR, then PTX, or an object and from it a shared object.
KernelArtifact compile(const KernelPlan& plan, const Log& log) {
  const auto start = std::chrono::steady_clock::now();
  KernelArtifact artifact;
  artifact.key = hash_hex(key_text(plan) + compiler_identity(plan.target));
  artifact.target = plan.target.str();
  artifact.schedule = plan.schedule.str();
  artifact.launch = plan.launch;

  const codegen::StageDump dump(plan, artifact.key, log);
  dump.keep("program", [&] { return print(plan.program); });
  dump.keep("plan", [&] { return plan.str(); });
  Session session(plan.target);
  const std::unique_ptr<llvm::Module> module = lower(plan, session);
  dump.keep("ll", [&] { return codegen::print_ir(*module); });
  if (plan.target.is_cuda()) {
    artifact.format = KernelArtifact::Format::ptx;
    artifact.ptx_version = session.ptx_version;
    artifact.code = generate(*module, session, llvm::CodeGenFileType::AssemblyFile);
    dump.keep("ptx", [&] { return artifact.code; });
  } else {
    artifact.format = KernelArtifact::Format::shared_object;
    if (plan.target.cpu.empty()) artifact.target = fmt::format("host:{}", session.host.cpu);
    artifact.code =
        codegen::link_shared_object(generate(*module, session, llvm::CodeGenFileType::ObjectFile));
    dump.keep("s", [&] { return emit(plan, Stage::assembly); });
    dump.keep("so", [&] { return artifact.code; });
  }
  artifact.compile_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return artifact;
}

std::string emit(const KernelPlan& plan, Stage stage) {
  Session session(plan.target);
  const std::unique_ptr<llvm::Module> module = lower(plan, session);
  return stage == Stage::llvm ? codegen::print_ir(*module)
                              : generate(*module, session, llvm::CodeGenFileType::AssemblyFile);
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
