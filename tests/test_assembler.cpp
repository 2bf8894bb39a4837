// Assembling PTX with a process. Most cases use scripts instead of ptxas: they test how we run it.
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gumtile/assembler.h"
#include "gumtile/error.h"
#include "tests/environment.h"
#include "tests/ptxas_script.h"

namespace gumtile {
namespace {

using test::copied;
using test::kCopies;
using Script = test::PtxasScript;
using test::Variable;

namespace fs = std::filesystem;

const char* const kEmptyKernel =
    ".version 8.0\n.target sm_90a\n.address_size 64\n.visible .entry k() { ret; }\n";

const Target kTarget = Target::parse("sm_90a");

Error failure_of(const std::string& ptxas) {
  try {
    assemble(ptxas, "ptx", kTarget);
  } catch (const Error& error) {
    return error;
  }
  FAIL("no Error was thrown");
  throw std::logic_error("unreachable");
}

KernelArtifact ptx_artifact() {
  KernelArtifact artifact;
  artifact.code = "ptx";
  artifact.key = "0123";
  artifact.target = "sm_90a";
  return artifact;
}

TEST_CASE("the assembler is what GUMTILE_PTXAS names, or the first of the folders that has one") {
  const Script script("exit 0");
  {
    const Variable named("GUMTILE_PTXAS", "/named/ptxas");
    CHECK(find_assembler() == "/named/ptxas");
  }
  {
    const Variable named("GUMTILE_PTXAS", "");
    const Variable path("PATH", script.folder().c_str());
    CHECK_FALSE(find_assembler());
  }
  const Variable named("GUMTILE_PTXAS", nullptr);
  {
    const Variable path("PATH", ("/nonexistent::" + script.folder() + ":/usr/bin").c_str());
    CHECK(find_assembler() == script.path());
  }
  const Variable path("PATH", "/nonexistent");
  fs::create_directory(script.folder() + "/bin");
  fs::rename(script.path(), script.folder() + "/bin/ptxas");
  const Variable home("CUDA_HOME", script.folder().c_str());
  CHECK(find_assembler() == script.folder() + "/bin/ptxas");
}

TEST_CASE("PTX goes in and a cubin comes out, in many threads at once") {
  const Script script(kCopies);
  std::vector<std::string> cubins(16);
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < cubins.size(); ++i)
      threads.emplace_back([&, i] {
        cubins[i] = assemble(script.path(), std::string(1000 * i, 'p') + std::to_string(i), kTarget);
      });
  }
  for (size_t i = 0; i < cubins.size(); ++i)
    CHECK(cubins[i] == copied(std::string(1000 * i, 'p') + std::to_string(i)));
}

TEST_CASE("faults of the assembler are told in its words") {
  const Script fails("echo 'no such arch' >&2; exit 7");
  const Error failed = failure_of(fails.path());
  CHECK(failed.code() == ErrorCode::internal);
  CHECK(std::string(failed.what()).find("failed with exit code 7") != std::string::npos);
  REQUIRE(failed.notes().size() == 1);
  CHECK(failed.notes().front() == "no such arch\n");

  const Script killed("kill -9 $$");
  CHECK(std::string(failure_of(killed.path()).what()).find("ended by signal 9") != std::string::npos);
  const Script silent("exit 0");
  CHECK(std::string(failure_of(silent.path()).what()).find("wrote no cubin") != std::string::npos);
  const Script slow(std::string(kCopies) + "; echo '(C7509) Potential Performance Loss: serialized'");
  CHECK(std::string(failure_of(slow.path()).what()).find("slow code") != std::string::npos);
  CHECK(failure_of("/nonexistent/ptxas").code() == ErrorCode::device_unavailable);
}

TEST_CASE("a cubin is added to PTX; where that fails, the PTX stays and a warning says why") {
  const Script script(kCopies);
  std::vector<std::string> warnings;
  const Log log = [&](LogLevel, std::string_view message) { warnings.emplace_back(message); };
  KernelArtifact artifact = ptx_artifact();
  add_cubin(artifact, script.path(), log);
  CHECK(artifact.cubin == copied("ptx"));
  CHECK(artifact.code == "ptx");
  CHECK(warnings.empty());

  KernelArtifact for_host = ptx_artifact();
  for_host.format = KernelArtifact::Format::shared_object;
  add_cubin(for_host, script.path(), log);
  CHECK(for_host.cubin.empty());
  CHECK(warnings.empty());

  const Script fails("echo 'bad PTX'; exit 1");
  KernelArtifact kept = ptx_artifact();
  add_cubin(kept, fails.path(), log);
  CHECK(kept.cubin.empty());
  CHECK(kept.code == "ptx");
  REQUIRE(warnings.size() == 1);
  CHECK(warnings.front().find("bad PTX") != std::string::npos);
}

TEST_CASE("where an application ignores its children's ends, only a whole cubin counts") {
  const Script script(R"(head -c 100 "$(dirname "$0")/cubin" > "$3")");
  const std::optional<std::string> ptxas = find_assembler();
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  const Error error = failure_of(script.path());
  const std::string cubin = ptxas ? assemble(*ptxas, kEmptyKernel, kTarget) : "\177ELF";
  std::signal(SIGCHLD, before);
  CHECK(std::string(error.what()).find("nobody knows how") != std::string::npos);
  CHECK(cubin.substr(0, 4) == "\177ELF");
}

TEST_CASE("the assembler does not inherit what its caller does with signals") {
  // It kills itself, which a blocked or ignored signal would prevent.
  const Script script("kill -INT $$; exit 0");
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  const auto handled = std::signal(SIGINT, SIG_IGN);
  const Error error = failure_of(script.path());
  std::signal(SIGINT, handled);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK(std::string(error.what()).find("ended by signal 2") != std::string::npos);
}

/// Returns PTX, ready-made or not.
class PtxSource final : public KernelSource {
 public:
  KernelArtifact get(const KernelPlan& /*plan*/) override {
    KernelArtifact artifact = ptx_artifact();
    artifact.ready_made = ready_made;
    return artifact;
  }
  std::string identity(const Target& /*target*/) const override { return "the source's"; }
  bool ready_made = false;
};

TEST_CASE("a source with an assembler gives cubins for what is compiled, and nothing else changes") {
  const Script script(kCopies);
  const auto source = std::make_shared<PtxSource>();
  {
    const Variable none("GUMTILE_PTXAS", "");
    CHECK(with_assembler(source) == source);
  }
  const Variable named("GUMTILE_PTXAS", script.path().c_str());
  CHECK(with_assembler(nullptr) == nullptr);
  const std::shared_ptr<KernelSource> assembling = with_assembler(source);
  CHECK(assembling->get({}).cubin == copied("ptx"));
  CHECK(assembling->find({})->cubin == copied("ptx"));
  CHECK(assembling->identity(kTarget) == "the source's");
  // An assembled kernel is kept.
  std::ofstream(script.path()) << "#!/bin/sh\nexit 1\n";
  CHECK(assembling->get({}).cubin == copied("ptx"));
  source->ready_made = true;
  CHECK(assembling->get({}).cubin.empty());
}

TEST_CASE("ptxas itself makes an ELF file of PTX") {
  const std::optional<std::string> ptxas = find_assembler();
  if (!ptxas) {
    MESSAGE("there is no ptxas: skipped");
    return;
  }
  const std::string cubin = assemble(*ptxas, kEmptyKernel, kTarget);
  CHECK(cubin.substr(0, 4) == "\177ELF");
}

}  // namespace
}  // namespace gumtile
