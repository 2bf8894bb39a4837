// The outside effects of compiling: standard streams, signals, forked children, the files of GUMTILE_DUMP.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <thread>
#include <vector>

#include "gumtile/compiler.h"
#include "gumtile/error.h"
#include "tests/compile_fixture.h"

namespace gumtile::test {
namespace {

/// Redirects the standard streams to a file.
class CaptureStreams {
 public:
  explicit CaptureStreams(const std::string& path) {
    std::fflush(nullptr);
    const int file = open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    REQUIRE(file >= 0);
    for (size_t i = 0; i < 2; ++i) {
      saved_[i] = dup(static_cast<int>(i) + 1);
      dup2(file, static_cast<int>(i) + 1);
    }
    close(file);
  }
  ~CaptureStreams() {
    std::fflush(nullptr);
    for (size_t i = 0; i < 2; ++i) {
      dup2(saved_[i], static_cast<int>(i) + 1);
      close(saved_[i]);
    }
  }
  CaptureStreams(const CaptureStreams&) = delete;
  CaptureStreams& operator=(const CaptureStreams&) = delete;

 private:
  std::array<int, 2> saved_{};
};

TEST_CASE("compiling writes nothing to the standard streams") {
  const TemporaryDirectory directory;
  const Program program = lm_head(NoiseScheme::grouped, true);
  bool refused = false;
  {
    const CaptureStreams capture(directory.file("log"));
    for (const char* target : {"host", "sm_90a"}) {
      const Target parsed = Target::parse(target);
      const Problem problem{1000, 72, 4, 16};
      const KernelPlan p = make_plan(program, problem, default_schedule(program, problem, parsed), parsed);
      compile(p);
      emit(p, Stage::llvm);
    }
    try {
      compile(
          make_plan(program, {1000, 72, 4, 16}, Schedule::parse("host"), Target::parse("host:no-such-cpu")));
    } catch (const Error&) {
      refused = true;
    }
  }
  CHECK(refused);
  CHECK(read(directory.file("log")).empty());
}

using Handlers = std::map<int, void (*)(int)>;
Handlers signal_handlers() {
  Handlers handlers;
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) == 0) handlers[signal] = action.sa_handler;
  }
  return handlers;
}

TEST_CASE("signals in a fresh process" * doctest::skip()) {
  const Handlers before = signal_handlers();
  bool has_stack = true;
  std::thread([&] {
    for (const char* target : {"host", "host:x86-64-v3"})
      compile(plan(greedy_argmax(DType::bf16, DType::bf16), target, "host:b4,v256"));
    stack_t stack{};
    has_stack = sigaltstack(nullptr, &stack) != 0 || (stack.ss_flags & SS_DISABLE) == 0;
  }).join();
  CHECK(!has_stack);
  CHECK(signal_handlers() == before);
}

TEST_CASE("compiling for the host does not wait for children that were forked meanwhile") {
  constexpr int kChildSeconds = 30;
  std::atomic<bool> compiled{false};
  const auto start = std::chrono::steady_clock::now();
  std::thread compiler([&] {
    const Program program = gemm(DType::f32, DType::f32, DType::f32);
    for (int64_t columns = 64; columns < 72; ++columns) {
      const Problem problem{columns, 64, 1, 16};
      const Target host = Target::parse("host");
      compile(make_plan(program, problem, default_schedule(program, problem, host), host));
    }
    compiled = true;
  });
  std::vector<pid_t> children;
  while (!compiled && children.size() < 500) {
    children.push_back(fork());
    if (children.back() == 0) {
      sleep(kChildSeconds);
      _exit(0);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  compiler.join();
  const auto took = std::chrono::steady_clock::now() - start;
  for (const pid_t child : children) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  CHECK(!children.empty());
  CHECK(took < std::chrono::seconds(kChildSeconds - 5));
}

TEST_CASE("compiling installs no signal handler and no signal stack") {
  // In a separate process: LLVM would install them once.
  const pid_t child = fork();
  if (child == 0) {
    execl("/proc/self/exe", "test_codegen", "--no-skip=1", "--no-version=1",
          "--test-case=signals in a fresh process", nullptr);
    _exit(127);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}

// ---- GUMTILE_DUMP ----

/// Compiles with GUMTILE_DUMP; warnings go to `warnings`.
KernelArtifact compile_dumping(const KernelPlan& wanted, const std::string& folder,
                               std::vector<std::string>& warnings) {
  setenv("GUMTILE_DUMP", folder.c_str(), 1);
  KernelArtifact artifact =
      compile(wanted, [&](LogLevel, std::string_view message) { warnings.emplace_back(message); });
  unsetenv("GUMTILE_DUMP");
  return artifact;
}

std::map<std::string, std::string> files_in(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& file : std::filesystem::directory_iterator(folder))
    files[file.path().filename().string()] = read(file.path().string());
  return files;
}

TEST_CASE("GUMTILE_DUMP keeps every stage") {
  const TemporaryDirectory directory;
  const std::string folder = directory.file("dump");
  const Program program = lm_head(NoiseScheme::grouped, true);
  std::vector<std::string> warnings;
  for (const KernelPlan& wanted : {plan(program, "sm_90a", "mma_sync:b64,v256,stages=4,warps=2x4"),
                                   plan(program, "host:x86-64-v3", "host:b4,v256")}) {
    const bool gpu = wanted.target.is_cuda();
    const KernelArtifact artifact = compile_dumping(wanted, folder, warnings);
    std::string name = program.name + "-" + wanted.schedule.str() + "-" + wanted.target.str();
    for (char& c : name)
      if (c == ':') c = '_';
    name += "-" + artifact.key + ".";
    std::map<std::string, std::string> expected{{name + "program", print(program)},
                                                {name + "plan", wanted.str()},
                                                {name + "ll", emit(wanted, Stage::llvm)}};
    expected[name + (gpu ? "ptx" : "s")] = emit(wanted, Stage::assembly);
    if (!gpu) expected[name + "so"] = artifact.code;
    CHECK(files_in(folder) == expected);
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      CHECK(file.status().permissions() ==
            (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
      std::filesystem::remove(file);
    }
    CHECK(compile(wanted).code == artifact.code);  // the same code without it, and nothing is kept
    CHECK(files_in(folder).empty());
  }
  CHECK(warnings.empty());
}

TEST_CASE("processes that dump the same stages at once leave whole files") {
  const TemporaryDirectory directory;
  const KernelPlan wanted = plan(greedy_argmax(DType::bf16, DType::bf16), "sm_80", "simt:b8");
  std::vector<std::string> warnings;
  compile_dumping(wanted, directory.file("one"), warnings);
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    children.push_back(fork());
    REQUIRE(children.back() >= 0);
    if (children.back() > 0) continue;
    compile_dumping(wanted, directory.file("many"), warnings);
    _exit(static_cast<int>(warnings.size()));
  }
  for (const pid_t child : children) {
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  CHECK(files_in(directory.file("many")) == files_in(directory.file("one")));
}

TEST_CASE("a stage that cannot be kept is one warning, and no failure") {
  const KernelPlan wanted = plan(greedy_argmax(DType::bf16, DType::bf16), "sm_80", "simt:b8");
  const KernelArtifact artifact = compile(wanted);
  std::vector<std::string> warnings;
  CHECK(compile_dumping(wanted, "/dev/null/dump", warnings).code == artifact.code);
  CHECK(compile_dumping(wanted, "/dev/null/dump", warnings).code == artifact.code);
  REQUIRE(warnings.size() == 1);
  CHECK(contains(warnings.front(), "GUMTILE_DUMP"));
  CHECK(contains(warnings.front(), "/dev/null/dump/greedy_argmax-simt_b8"));
}

}  // namespace
}  // namespace gumtile::test
