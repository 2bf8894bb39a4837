#include "tools/disassemble.h"

#include <fmt/format.h>

#include <optional>

#include "gumtile/error.h"
#include "tools/nvidia_tools.h"

namespace gumtile::tools {
namespace {

[[noreturn]] void missing(const char* stage, const char* tools) {
  throw Error(ErrorCode::device_unavailable,
              fmt::format("--emit {} needs {} on PATH, which is not there; it comes with the CUDA toolkit",
                          stage, tools));
}

std::string require_ptxas(const char* stage) {
  std::optional<std::string> ptxas = find_on_path("ptxas");
  if (!ptxas) missing(stage, "ptxas");
  return *std::move(ptxas);
}

}  // namespace

std::string make_cubin(const std::string& ptx, const Target& target) {
  const std::string ptxas = require_ptxas("cubin");
  const TemporaryFolder folder;
  return assemble(ptxas, ptx, target, folder, "kernel");
}

std::string disassemble(const std::string& ptx, const Target& target) {
  const std::string ptxas = require_ptxas("sass");
  const std::optional<std::string> nvdisasm = find_on_path("nvdisasm");
  const std::optional<std::string> cuobjdump = find_on_path("cuobjdump");
  if (!nvdisasm && !cuobjdump) missing("sass", "nvdisasm or cuobjdump");

  const TemporaryFolder folder;
  const std::string cubin = (folder / "kernel.cubin").string();
  write_file(cubin, assemble(ptxas, ptx, target, folder, "assembled"));
  if (nvdisasm) return run_tool(folder, {*nvdisasm, "-c", cubin});
  return run_tool(folder, {*cuobjdump, "-sass", cubin});
}

}  // namespace gumtile::tools
