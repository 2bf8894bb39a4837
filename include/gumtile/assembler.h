#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "gumtile/kernel_source.h"
#include "gumtile/log.h"
#include "gumtile/target.h"

namespace gumtile {

/// The path of NVIDIA's assembler, ptxas: what GUMTILE_PTXAS names (empty: none), else the first of the
/// folders of PATH, $CUDA_HOME/bin and /usr/local/cuda/bin that has one. Reads the environment. Thread safe.
std::optional<std::string> find_assembler();

/// The cubin that ptxas makes of PTX for a target. Runs a process and waits for it. What it wrote is checked:
/// an ELF file for the target's architecture that has the PTX's kernels. Throws Error: device_unavailable if
/// the process cannot be started or takes longer than a minute, after which this process does not run that
/// ptxas again; cancelled if `stop`, which is asked some hundred times a second, says so; internal if it
/// fails, with the beginning of its words as a note, if it wrote something else than a cubin, or if it says
/// that it had to give up what makes a kernel fast. Thread safe.
std::string assemble(const std::string& ptxas, const std::string& ptx, const Target& target,
                     const std::function<bool()>& stop = {});

/// Adds a cubin to what an artifact of PTX for a GPU is; leaves others alone. Where that fails, the artifact
/// stays as it is, for the driver to assemble, and `log` gets a warning; once ptxas was given up, a line at
/// `info`.
void add_cubin(KernelArtifact& artifact, const std::string& ptxas, const Log& log);

/// A source whose kernels, where `source` makes them now, come with their cubins, too: starting an engine
/// from a cache then needs no assembler, and several kernels are assembled at the same time, which the driver
/// does one after the other. Returns `source` itself where no assembler is found. Thread safe.
std::shared_ptr<KernelSource> with_assembler(std::shared_ptr<KernelSource> source, Log log = {});

}  // namespace gumtile
