#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>

#include "gumtile/assembler.h"
#include "gumtile/compiler.h"
#include "gumtile/error.h"
#include "runtime/assembler/assembler_run.h"
#include "runtime/cache/entry.h"
#include "tools/tune/problem.h"
#include "tools/tune/worker.h"

namespace gumtile::tools {
namespace {

/// Well below the time that the tuner waits for a kernel.
constexpr std::chrono::seconds kAssemblerDeadline{20};

/// The first worker whose assembler hangs leaves a file that tells all other workers, also later ones.
void add_cubin(KernelArtifact& artifact, const std::filesystem::path& folder) {
  static const std::optional<std::string> ptxas = find_assembler();
  if (!ptxas) return;
  static assembler::AssemblerRun run(*ptxas, kAssemblerDeadline);
  const std::filesystem::path mark = folder / "assembler-given-up";
  if (std::filesystem::exists(mark)) return;
  assembler::add_cubin(artifact, run, [](LogLevel, std::string_view why) {
    std::fputs(fmt::format("{}\n", why).c_str(), stderr);
  });
  if (run.is_given_up()) std::ofstream(mark) << "took too long\n";
}

void compile_to_file(const Json& request, const std::filesystem::path& folder) {
  const MeasuredHead head = parse_head(request.at("head"));
  const Schedule schedule = Schedule::parse(request.at("schedule").get<std::string>());
  const Target target = Target::parse(request.at("target").get<std::string>());
  const KernelPlan plan = make_plan(program_of(head), problem_of(head, 1), schedule, target);
  KernelArtifact artifact = compile(plan);
  add_cubin(artifact, folder);
  std::string entry = cache::encode_entry(key_text(plan), artifact);
  if (has_fault(request, "corrupt")) entry[entry.size() / 2] ^= 1;
  const std::filesystem::path file = folder / request.at("file").get<std::string>();
  std::ofstream out(file, std::ios::binary);
  out.write(entry.data(), static_cast<std::streamsize>(entry.size()));
  out.close();
  if (!out) throw Error(ErrorCode::cannot_create, fmt::format("'{}' cannot be written", file.string()));
}

}  // namespace

int run_compile_worker(const std::filesystem::path& folder) {
  for (std::string line; std::getline(std::cin, line);) {
    const Json request = Json::parse(line);
    try {
      obey_fault(request);
      compile_to_file(request, folder);
      answer({{"schedule", request.at("schedule")}});
    } catch (const Error& error) {
      answer({{"error", error.what()}});
    }
  }
  return 0;
}

}  // namespace gumtile::tools
