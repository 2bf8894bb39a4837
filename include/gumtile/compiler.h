#pragma once

#include <string>

#include "gumtile/artifact.h"
#include "gumtile/log.h"
#include "gumtile/plan.h"

namespace gumtile {

/// The stages that can be looked at.
enum class Stage : uint8_t { llvm, assembly };

/// Compiles a plan to PTX or to a self-contained shared object. Where the environment variable GUMTILE_DUMP
/// names a folder, every stage is kept there, too; the first in a process that cannot be is told to `log`.
/// Thread safe. Throws Error(internal) where LLVM rejects what was emitted.
KernelArtifact compile(const KernelPlan& plan, const Log& log = {});

/// The text of a stage: LLVM IR after optimisation, or the target's assembly (PTX on a GPU).
std::string emit(const KernelPlan& plan, Stage stage);

/// What decides the code beside a plan's `key_text`: gumtile's version and sources, LLVM's version and, for a
/// host, the CPU and its features.
std::string compiler_identity(const Target& target);

/// "22.1.x", and LLVM's name of the CPU that the plain target "host" stands for.
std::string llvm_version();
std::string host_cpu_name();

}  // namespace gumtile
