#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "gumtile/kernel_source.h"
#include "gumtile/log.h"
#include "gumtile/target.h"

namespace gumtile {

/// The path of NVIDIA's assembler, ptxas: what GUMTILE_PTXAS names (empty: none), else the first one in the
/// folders of PATH, $CUDA_HOME/bin and /usr/local/cuda/bin. Reads the environment. Thread safe.
std::optional<std::string> find_assembler();

/// Assembles PTX into a cubin for a target with ptxas. Runs a process and waits for it. Checks that the
/// output is an ELF file for the target's architecture that has the PTX's kernels. Throws Error:
/// device_unavailable if the process cannot be started or takes longer than a minute, after which this
/// process does not run that ptxas again; cancelled if `stop`, which is called about a hundred times per
/// second, returns true; internal if ptxas fails (the beginning of its messages is a note), if its output is
/// not a cubin, or if it reports that it had to drop what makes a kernel fast. Thread safe.
std::string assemble(const std::string& ptxas, const std::string& ptx, const Target& target,
                     const std::function<bool()>& stop = {});

/// Adds a cubin to an artifact with PTX for a GPU; leaves other artifacts unchanged. If that fails, the
/// artifact stays as it is, for the driver to assemble, and `log` gets a warning; once ptxas has been given
/// up, a line at `info`.
void add_cubin(KernelArtifact& artifact, const std::string& ptxas, const Log& log);

/// A source that adds cubins to the kernels that `source` compiles. Starting an engine from a cache then
/// needs no assembler, and several kernels are assembled at the same time, which the driver does one after
/// the other. Returns `source` itself if no assembler is found. Thread safe.
std::shared_ptr<KernelSource> with_assembler(std::shared_ptr<KernelSource> source, Log log = {});

}  // namespace gumtile
