#include "runtime/assembler/assembler_run.h"

#include <fmt/format.h>

#include <map>
#include <mutex>
#include <string_view>
#include <vector>

#include "runtime/assembler/cubin.h"
#include "runtime/assembler/process.h"

namespace gumtile::assembler {

void AssemblerRun::throw_given_up() const {
  throw GivenUp(ErrorCode::device_unavailable,
                fmt::format("'{}' took longer than {} s and is not run again by this process", ptxas_,
                            std::chrono::duration<double>(deadline_).count()));
}

std::string AssemblerRun::assemble(const std::string& ptx, const Target& target,
                                   const std::function<bool()>& stop) {
  if (given_up_) throw_given_up();
  const MemoryFile source(ptx);
  const MemoryFile cubin;
  ProgramLimits limits;
  limits.deadline = deadline_;
  limits.stop = [&] { return given_up_ || (stop && stop()); };
  ProgramOutput said;
  try {
    said = run_program({ptxas_, "-arch=" + target.str(), "-o", program_file(1), program_file(0)},
                       {source, cubin}, limits);
  } catch (const TookTooLong&) {
    given_up_ = true;
    throw;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::cancelled && given_up_) throw_given_up();
    throw;
  }
  const auto fail = [&](const std::string& what) {
    std::vector<std::string> notes;
    for (const std::string* words : {&said.err, &said.out})
      if (!words->empty()) notes.push_back(quoted(*words));
    throw Error(ErrorCode::internal, fmt::format("'{}' {}", ptxas_, what), std::move(notes));
  };
  if ((said.out + said.err).find("Potential Performance Loss") != std::string::npos)
    fail(fmt::format("makes slow code of a kernel for {}", target.str()));
  std::string bytes = cubin.contents();
  if (bytes.empty() && said.ended_well) fail("wrote no cubin");
  if (const std::string why = why_not_cubin(bytes, target, entries_of(ptx)); !why.empty())
    fail(said.ended_well ? fmt::format("wrote something else than a cubin for {}: {}", target.str(), why)
                         : fmt::format("ended, nobody knows how, and its cubin is not whole: {}", why));
  return bytes;
}

void add_cubin(KernelArtifact& artifact, AssemblerRun& run, const Log& log) {
  if (artifact.format != KernelArtifact::Format::ptx || !artifact.cubin.empty()) return;
  const auto tell = [&](LogLevel level, const Error& error) {
    if (!log) return;
    std::string words = error.notes().empty() ? "" : ": " + error.notes().front();
    log(level, fmt::format("the driver will assemble a kernel at each start: {}{}", error.what(), words));
  };
  try {
    artifact.cubin = run.assemble(artifact.code, Target::parse(artifact.target));
  } catch (const GivenUp& error) {
    tell(LogLevel::info, error);  // the first one was a warning
  } catch (const Error& error) {
    tell(LogLevel::warning, error);
  }
}

std::shared_ptr<AssemblerRun> run_of(const std::string& ptxas) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<AssemblerRun>> runs;
  const std::lock_guard lock(mutex);
  std::shared_ptr<AssemblerRun>& run = runs[ptxas];
  if (run == nullptr) run = std::make_shared<AssemblerRun>(ptxas);
  return run;
}

}  // namespace gumtile::assembler
