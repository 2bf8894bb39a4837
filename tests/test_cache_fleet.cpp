// A fleet that starts on one cold cache: processes that all compile the same kernel at the same time and
// store it in one folder.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string_view>

#include "gumtile/jit.h"
#include "gumtile/lm_head.h"
#include "tests/cache_fixture.h"

namespace gumtile::test {
namespace {

namespace fs = std::filesystem;

constexpr size_t kProcesses = 64;
constexpr int kPatience_ms = 200'000;
constexpr int64_t kVocab = 300, kHidden = 16, kRows = 3;

// A member's end of the pipes between it and the test.
constexpr int kMissed = 100;  ///< takes a byte when the member has found nothing in the cache
constexpr int kStart = 101;   ///< ends when all have
constexpr int kTokens = 102;  ///< takes the tokens, as text

/// Compiles; before that it waits until every member of the fleet is about to.
class FleetSource : public KernelSource {
 public:
  KernelArtifact get(const KernelPlan& plan) override {
    char none = 0;
    if (write(kMissed, &none, 1) != 1 || read(kStart, &none, 1) != 0)
      throw std::runtime_error("the test is gone");
    return jit_->get(plan);
  }
  std::string identity(const Target& target) const override { return jit_->identity(target); }

 private:
  std::unique_ptr<KernelSource> jit_ = make_jit();
};

/// One token for each of a few rows, of made-up data.
std::vector<int32_t> sample(const std::shared_ptr<Engine>& engine) {
  std::vector<float> weights(static_cast<size_t>(kVocab * kHidden)),
      hidden(static_cast<size_t>(kRows * kHidden));
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i * 37 % 101) / 101;
  for (size_t i = 0; i < hidden.size(); ++i) hidden[i] = static_cast<float>(i * 53 % 89) / 89;
  LmHeadOptions options;
  options.vocab_size = kVocab;
  options.hidden_size = kHidden;
  options.weights_dtype = options.hidden_dtype = DType::f32;
  options.schedule = Schedule::parse("host:b1,v256");
  LmHead head(engine, options, weights.data());
  head.prepare(1, {0});
  std::vector<int32_t> token(kRows, -1);
  const size_t bytes = head.workspace_bytes(1);
  void* const workspace = engine->allocate(bytes);
  for (size_t row = 0; row < token.size(); ++row) {
    const uint64_t seed = row;
    SampleArgs args;
    args.rows = 1;
    args.hidden_states = hidden.data() + row * static_cast<size_t>(kHidden);
    args.seed = &seed;
    args.token = &token[row];
    args.workspace = workspace;
    args.workspace_bytes = bytes;
    if (head.sample(nullptr, args) != Status::ok) throw std::runtime_error("the launch failed");
  }
  engine->release(workspace);
  return token;
}

/// A member's work; its exit code says which expectation failed.
int be_member(const char* folder, std::string_view expects) {
  ModuleCacheOptions cache;
  cache.folder = folder;
  bool warned = false;
  EngineOptions options;
  options.log = cache.log = [&](LogLevel level, std::string_view message) {
    warned |= level == LogLevel::warning;
    fmt::print(stderr, "{}\n", message);
  };
  options.source = std::make_shared<FleetSource>();
  options.cache = std::make_shared<ModuleCache>(cache);
  options.cpu_threads = 1;
  const std::shared_ptr<Engine> engine = Engine::open("cpu", options);
  const std::string tokens = fmt::format("{}\n", fmt::join(sample(engine), " "));
  if (write(kTokens, tokens.data(), tokens.size()) != static_cast<ssize_t>(tokens.size())) return 2;
  const EngineStats stats = engine->stats();
  const bool compiled = stats.compiles == 1 && stats.cache_hits == 0;
  const bool hit = stats.compiles == 0 && stats.cache_hits == 1;
  if (expects == "compiles" ? !compiled : !hit) return 3;
  return !warned && options.cache->counts().failed_stores == 0 ? 0 : 4;
}

struct Pipe {
  Pipe() { REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0); }
  ~Pipe() {
    close_read();
    close_write();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_read() { close_end(0); }
  void close_write() { close_end(1); }
  void close_end(size_t end) {
    if (ends[end] >= 0) close(ends[end]);
    ends[end] = -1;
  }
  std::array<int, 2> ends{};
};

/// The members, processes that inherit only their ends of the pipes.
class Fleet {
 public:
  Fleet(const fs::path& folder, const char* expects, size_t count) {
    for (size_t i = 0; i < count; ++i)
      children_.push_back(start_child([&] {
        dup2(missed_.ends[1], kMissed);
        dup2(start_.ends[0], kStart);
        dup2(tokens_.ends[1], kTokens);
        execl("/proc/self/exe", "test_cache_fleet", "member", folder.c_str(), expects, nullptr);
        return 127;
      }));
    missed_.close_write();
    start_.close_read();
    tokens_.close_write();
  }

  /// How many have found nothing in the cache and are about to compile.
  size_t count_missed() {
    size_t count = 0;
    char none = 0;
    pollfd missed{missed_.ends[0], POLLIN, 0};
    while (count < children_.size() && poll(&missed, 1, kPatience_ms) == 1 && read(missed.fd, &none, 1) == 1)
      ++count;
    return count;
  }

  /// Lets them compile, and returns what they wrote when they have ended.
  std::string finish() {
    start_.close_write();
    std::string text;
    std::array<char, 4096> part;
    for (ssize_t bytes = 0; (bytes = read(tokens_.ends[0], part.data(), part.size())) > 0;)
      text.append(part.data(), static_cast<size_t>(bytes));
    for (const int child : children_) CHECK(wait_for_child(child) == 0);
    return text;
  }

 private:
  Pipe missed_, start_, tokens_;
  std::vector<int> children_;
};

bool is_unlocked(const fs::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool unlocked = file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0;
  close(file);
  return unlocked;
}

TEST_CASE("64 processes compile one cold kernel together and leave one entry, which the next one takes") {
  const TemporaryFolder base;
  const fs::path folder = base / "new/cache";
  Fleet fleet(folder, "compiles", kProcesses);
  CHECK(fleet.count_missed() == kProcesses);
  CHECK(!fs::exists(folder));  // all are about to compile, and none has stored anything
  const std::string tokens = fleet.finish();

  const std::vector<std::string> files = files_in(folder);
  REQUIRE(files.size() == 1);
  CHECK(files.front().ends_with(".gtk"));
  CHECK(is_unlocked(folder / files.front()));
  CHECK(is_unlocked(folder));

  Fleet later(folder, "hits", 1);
  const std::string one = later.finish();
  CHECK(!one.empty());
  CHECK(later.count_missed() == 0);
  std::string expected;
  for (size_t i = 0; i < kProcesses; ++i) expected += one;
  CHECK(tokens == expected);
  CHECK(files_in(folder) == files);
}

}  // namespace
}  // namespace gumtile::test

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "member") {
    try {
      return gumtile::test::be_member(argv[2], argv[3]);
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}\n", error.what());
      return 1;
    }
  }
  return doctest::Context(argc, argv).run();
}
