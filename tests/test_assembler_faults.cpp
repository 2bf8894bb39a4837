// Assemblers that hang, print a lot or write something else: they cost time, but never give a wrong kernel.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "gumtile/assembler.h"
#include "gumtile/error.h"
#include "runtime/assembler/assembler_run.h"
#include "runtime/assembler/process.h"
#include "tests/ptxas_script.h"

namespace gumtile::assembler {
namespace {

using namespace std::chrono_literals;
using test::PtxasScript;
using Clock = std::chrono::steady_clock;

const Target kTarget = Target::parse("sm_90a");

template <typename Action>
Error failure_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  FAIL("no Error was thrown");
  throw std::logic_error("unreachable");
}

bool contains(const Error& error, const std::string& part) {
  return std::string(error.what()).find(part) != std::string::npos;
}

/// Whether a process ends within a few seconds. Its number is in the file.
bool is_gone(const std::string& file_with_number) {
  pid_t pid = 0;
  std::ifstream(file_with_number) >> pid;
  REQUIRE(pid > 0);
  for (int i = 0; i < 500; ++i, std::this_thread::sleep_for(10ms)) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
    std::string number, name, state;
    // If no process waits for orphans, they stay as zombies.
    if (!(status >> number >> name >> state) || state == "Z") return true;
  }
  return false;
}

ProgramLimits limit(std::chrono::milliseconds deadline) {
  ProgramLimits limits;
  limits.deadline = deadline;
  return limits;
}

TEST_CASE("a program that hangs is killed, and its children with it") {
  const PtxasScript script("sleep 100 & echo $! > \"$(dirname \"$0\")/child\"; wait");
  const auto start = Clock::now();
  const Error error = failure_of([&] { run_program({script.path()}, {}, limit(300ms)); });
  CHECK(contains(error, "took too long"));
  CHECK(error.code() == ErrorCode::device_unavailable);
  CHECK(is_gone(script.folder() + "/child"));
  CHECK(Clock::now() - start < 30s);
}

TEST_CASE("what a program leaves running is ended with it, and not waited for") {
  const PtxasScript script("sleep 100 & echo $! > \"$(dirname \"$0\")/child\"; echo done");
  const auto start = Clock::now();
  CHECK(run_program({script.path()}, {}).out == "done\n");
  CHECK(is_gone(script.folder() + "/child"));
  CHECK(Clock::now() - start < 30s);
}

TEST_CASE("a process that ends by a signal can take its programs with it") {
  const PtxasScript script("sleep 100 & echo $! > \"$(dirname \"$0\")/child\"; wait");
  std::jthread ends([&] {
    std::error_code absent;
    const std::string child = script.folder() + "/child";
    while (std::filesystem::file_size(child, absent) == 0 || absent) std::this_thread::sleep_for(10ms);
    kill_running_programs();
  });
  const Error error = failure_of([&] { run_program({script.path()}, {}); });
  CHECK(contains(error, "ended by signal 9"));
  CHECK(is_gone(script.folder() + "/child"));
  kill_running_programs();  // there are none
}

TEST_CASE("an assembler that hangs costs its time once, for kernels at the same time and for those after") {
  const PtxasScript script("exec sleep 100");
  AssemblerRun run(script.path(), 1s);
  const auto start = Clock::now();
  std::atomic<int> too_long{0};
  std::atomic<int> given_up{0};
  const auto kernel = [&] {
    try {
      run.assemble("ptx", kTarget);
    } catch (const TookTooLong&) {
      ++too_long;
    } catch (const GivenUp&) {
      ++given_up;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) threads.emplace_back(kernel);
    std::this_thread::sleep_for(500ms);
    threads.emplace_back(kernel);  // has half of its time left when the first two have none
  }
  for (int i = 0; i < 20; ++i) kernel();
  CHECK(too_long >= 1);
  CHECK(too_long + given_up == 23);
  CHECK(Clock::now() - start < 1400ms);
  CHECK(contains(failure_of([&] { run.assemble("ptx", kTarget); }), "is not run again"));
}

TEST_CASE("an assembler can be told to stop") {
  const PtxasScript script("exec sleep 100");
  const auto start = Clock::now();
  const Error error = failure_of(
      [&] { assemble(script.path(), "ptx", kTarget, [&] { return Clock::now() - start > 200ms; }); });
  CHECK(error.code() == ErrorCode::cancelled);
  CHECK(Clock::now() - start < 30s);
}

TEST_CASE("of an assembler that shouts the beginning is quoted") {
  const PtxasScript loud("head -c 5000000 /dev/zero | tr '\\0' x >&2; echo out; exit 1");
  const Error error = failure_of([&] { assemble(loud.path(), "ptx", kTarget); });
  REQUIRE(error.notes().size() == 2);
  CHECK(error.notes()[0].starts_with("xxxx"));
  CHECK(error.notes()[0].size() < 2200);
  CHECK(error.notes()[0].ends_with(" … and 4997952 bytes more"));
  CHECK(error.notes()[1] == "out\n");
  CHECK(quoted("a\x1b[31m\xff\n") == "a\\x1b[31m\\xff\n");
  CHECK(quoted("") == "");
}

TEST_CASE("a program without an end of its words, or of its file, is ended by its limits") {
  const PtxasScript yes("exec yes");
  CHECK(contains(failure_of([&] { run_program({yes.path()}, {}, limit(300ms)); }), "took too long"));
  const PtxasScript zeros(R"(exec cat /dev/zero > "$1")");
  ProgramLimits limits;
  limits.file_bytes = 1 << 20;
  const MemoryFile file;
  const Error error = failure_of([&] { run_program({zeros.path(), program_file(0)}, {file}, limits); });
  CHECK(contains(error, "wrote too much"));
}

TEST_CASE("what is not a cubin for the target is not taken for one") {
  for (const char* lines :
       {R"(head -c 5000 /dev/urandom > "$3")", R"(cat /bin/true > "$3")", R"(echo hello > "$3")",
        R"(head -c 200 "$(dirname "$0")/cubin" > "$3")", R"(: > "$3")"}) {
    const PtxasScript script(lines);
    const Error error = failure_of([&] { assemble(script.path(), "ptx", kTarget); });
    CHECK(error.code() == ErrorCode::internal);
    CHECK(contains(error, "cubin"));
  }
  const PtxasScript script(test::kCopies);
  CHECK(assemble(script.path(), ".entry k() {}", kTarget) == test::copied(".entry k() {}"));
  CHECK(contains(failure_of([&] { assemble(script.path(), ".entry other() {}", kTarget); }), "'other'"));
  const PtxasScript other(R"(cat "$(dirname "$0")/cubin" > "$3")");
  CHECK(contains(failure_of([&] { assemble(other.path(), "ptx", Target::parse("sm_80")); }), "sm_90"));
}

TEST_CASE("a kernel keeps its PTX beside such an assembler, and the first warning says why") {
  const PtxasScript script(R"(cat /bin/true > "$3")");
  std::vector<std::string> warnings;
  KernelArtifact artifact;
  artifact.code = "ptx";
  artifact.target = "sm_90a";
  add_cubin(artifact, script.path(), [&](LogLevel, std::string_view text) { warnings.emplace_back(text); });
  CHECK(artifact.cubin.empty());
  CHECK(artifact.code == "ptx");
  REQUIRE(warnings.size() == 1);
  CHECK(warnings.front().find("ELF machine") != std::string::npos);
}

}  // namespace
}  // namespace gumtile::assembler
