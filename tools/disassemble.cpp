#include "tools/disassemble.h"

#include <fmt/format.h>

#include <optional>

#include "gumtile/assembler.h"
#include "gumtile/error.h"
#include "runtime/assembler/process.h"

namespace gumtile::tools {
namespace {

[[noreturn]] void missing(const char* stage, const char* tools) {
  throw Error(
      ErrorCode::device_unavailable,
      fmt::format("--emit {} needs {}, which is neither on PATH nor in $CUDA_HOME/bin or "
                  "/usr/local/cuda/bin (and GUMTILE_PTXAS, where it is set, names no ptxas); it comes "
                  "with the CUDA toolkit",
                  stage, tools));
}

std::string cubin_for(const char* stage, const std::string& ptx, const Target& target) {
  const std::optional<std::string> ptxas = find_assembler();
  if (!ptxas) missing(stage, "ptxas");
  return assemble(*ptxas, ptx, target);
}

}  // namespace

std::string make_cubin(const std::string& ptx, const Target& target) {
  return cubin_for("cubin", ptx, target);
}

std::string disassemble(const std::string& ptx, const Target& target) {
  const assembler::MemoryFile cubin(cubin_for("sass", ptx, target));
  assembler::ProgramLimits limits;
  limits.kept_bytes = size_t{256} << 20;
  if (const auto nvdisasm = assembler::find_cuda_tool("nvdisasm"))
    return assembler::run_program({*nvdisasm, "-c", assembler::program_file(0)}, {cubin}, limits).out;
  if (const auto cuobjdump = assembler::find_cuda_tool("cuobjdump"))
    return assembler::run_program({*cuobjdump, "-sass", assembler::program_file(0)}, {cubin}, limits).out;
  missing("sass", "nvdisasm or cuobjdump");
}

}  // namespace gumtile::tools
