#pragma once

#include <string>

#include "gumtile/artifact.h"
#include "gumtile/log.h"
#include "gumtile/plan.h"

namespace gumtile {

/// The stages of a compilation that `emit` can print.
enum class Stage : uint8_t { llvm, assembly };

/// Compiles a plan to PTX or to a self-contained shared object. If the environment variable GUMTILE_DUMP
/// names a folder, every stage is also kept there; the first that cannot be written in a process is reported
/// to `log`. Thread safe. Throws Error(internal) if LLVM rejects the emitted code.
KernelArtifact compile(const KernelPlan& plan, const Log& log = {});

/// The text of a stage: LLVM IR after optimisation, or the target's assembly (PTX on a GPU).
std::string emit(const KernelPlan& plan, Stage stage);

/// Everything that decides the code beside a plan's `key_text`: gumtile's version and sources, LLVM's version
/// and, for a host, the CPU and its features.
std::string compiler_identity(const Target& target);

/// "22.1.x", and LLVM's name of the CPU that the plain target "host" stands for.
std::string llvm_version();
std::string host_cpu_name();

}  // namespace gumtile
