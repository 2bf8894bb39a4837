#include "gumtile/assembler.h"

#include <elf.h>
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "gumtile/error.h"
#include "runtime/assembler/process.h"

namespace gumtile {
namespace {

/// Whether the headers of an ELF file's sections lie within it.
bool is_whole_elf(std::string_view bytes) {
  Elf64_Ehdr header;
  if (bytes.size() < sizeof(header) || bytes.substr(0, SELFMAG) != ELFMAG) return false;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const uint64_t sections = uint64_t{header.e_shnum} * header.e_shentsize;
  return header.e_shoff <= bytes.size() && sections <= bytes.size() - header.e_shoff;
}

/// Adds the cubins to what another source makes.
class AssemblingSource final : public KernelSource {
 public:
  AssemblingSource(std::shared_ptr<KernelSource> source, std::string ptxas, Log log)
      : source_(std::move(source)), ptxas_(std::move(ptxas)), log_(std::move(log)) {}

  KernelArtifact get(const KernelPlan& plan) override { return with_cubin(source_->get(plan)); }
  std::optional<KernelArtifact> find(const KernelPlan& plan) override {
    std::optional<KernelArtifact> artifact = source_->find(plan);
    if (artifact) artifact = with_cubin(std::move(*artifact));
    return artifact;
  }
  std::optional<KernelArtifact> find_ptx(const KernelPlan& plan) override { return source_->find_ptx(plan); }
  std::optional<std::vector<Schedule>> schedules(const Program& program, const Problem& problem,
                                                 const Target& target) const override {
    return source_->schedules(program, problem, target);
  }
  std::string identity(const Target& target) const override { return source_->identity(target); }

 private:
  KernelArtifact with_cubin(KernelArtifact artifact) {
    if (artifact.ready_made || artifact.format != KernelArtifact::Format::ptx) return artifact;
    const std::string key = artifact.key;
    {
      const std::lock_guard lock(mutex_);
      if (const auto known = cubins_.find(key); known != cubins_.end()) {
        artifact.cubin = known->second;
        return artifact;
      }
    }
    add_cubin(artifact, ptxas_, log_);
    const std::lock_guard lock(mutex_);
    cubins_[key] = artifact.cubin;
    return artifact;
  }

  std::shared_ptr<KernelSource> source_;
  std::string ptxas_;
  Log log_;
  std::mutex mutex_;
  std::map<std::string, std::string> cubins_;  ///< by KernelArtifact::key; empty: it could not be made
};

}  // namespace

std::optional<std::string> find_assembler() {
  const char* named = std::getenv("GUMTILE_PTXAS");
  if (named == nullptr) return assembler::find_cuda_tool("ptxas");
  if (*named == '\0') return std::nullopt;
  return named;
}

std::string assemble(const std::string& ptxas, const std::string& ptx, const Target& target) {
  const assembler::MemoryFile source(ptx);
  const assembler::MemoryFile cubin;
  const assembler::ProgramOutput said = assembler::run_program(
      {ptxas, "-arch=" + target.str(), "-o", assembler::program_file(1), assembler::program_file(0)},
      {source, cubin});
  const std::string words = said.out + said.err;
  if (words.find("Potential Performance Loss") != std::string::npos)
    throw Error(ErrorCode::internal,
                fmt::format("'{}' makes slow code of a kernel for {}", ptxas, target.str()), {words});
  std::string bytes = cubin.contents();
  if (!said.ended_well && !is_whole_elf(bytes))
    throw Error(ErrorCode::internal,
                fmt::format("'{}' ended, nobody knows how, and its cubin is not whole", ptxas));
  if (bytes.empty()) throw Error(ErrorCode::internal, fmt::format("'{}' wrote no cubin", ptxas));
  return bytes;
}

void add_cubin(KernelArtifact& artifact, const std::string& ptxas, const Log& log) {
  if (artifact.format != KernelArtifact::Format::ptx || !artifact.cubin.empty()) return;
  try {
    artifact.cubin = assemble(ptxas, artifact.code, Target::parse(artifact.target));
  } catch (const Error& error) {
    if (log)
      log(LogLevel::warning,
          fmt::format("the driver will assemble a kernel at each start: {}{}{}", error.what(),
                      error.notes().empty() ? "" : ": ", error.notes().empty() ? "" : error.notes().front()));
  }
}

std::shared_ptr<KernelSource> with_assembler(std::shared_ptr<KernelSource> source, Log log) {
  std::optional<std::string> ptxas = find_assembler();
  if (!ptxas || source == nullptr) return source;
  return std::make_shared<AssemblingSource>(std::move(source), std::move(*ptxas), std::move(log));
}

}  // namespace gumtile
