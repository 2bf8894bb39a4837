#include "tests/cache_fixture.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "runtime/cache/entry.h"
#include "runtime/cache/names.h"

namespace gumtile::test {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string name = fs::temp_directory_path() / "gumtile-cache-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

KernelArtifact some_artifact(size_t code_bytes, char fill) {
  KernelArtifact artifact;
  artifact.format = KernelArtifact::Format::cubin;
  artifact.code = std::string(code_bytes, fill);
  artifact.cubin = "beside";
  artifact.target = "sm_90a";
  artifact.schedule = "simt:b8";
  artifact.key = "0123";
  artifact.ptx_version = 83;
  artifact.compile_ms = 0.1;
  LaunchSpec& spec = artifact.launch;
  spec.stage = "stage\n\"";
  spec.sweep = "sweep";
  spec.finish = "finish";
  spec.threads = 1;
  spec.shared_bytes = 2;
  spec.rows_per_block = 3;
  spec.columns = int64_t{1} << 40;
  spec.contracted = 4;
  spec.first_column = 5;
  spec.columns_per_unit = 6;
  spec.record_words = 7;
  spec.host_state_words = 8;
  spec.cluster_m = 9;
  spec.cluster_n = 10;
  spec.packed_words = 11;
  spec.tensor_maps = {{true, 12, 13}, {false, 14, 15}};
  spec.contraction_left = 16;
  spec.contraction_right = -17;
  spec.must_stage = true;
  spec.staged_dtype = DType::bf16;
  spec.staged_stride = 18;
  spec.right_alignment = 19;
  spec.left_alignment = 20;
  spec.inputs = {{"h", DType::f16, 2, false}, {"t", DType::f32, 0, true}};
  spec.outputs = {{"token", DType::i64, 1, false}};
  return artifact;
}

bool equal(const KernelArtifact& a, const KernelArtifact& b) {
  return cache::encode_entry("", a) == cache::encode_entry("", b);
}

FreshCache::FreshCache(const fs::path& folder, uint64_t max_bytes)
    : cache([&] {
        ModuleCacheOptions options;
        options.folder = folder;
        options.max_bytes = max_bytes;
        options.log = [this](LogLevel, std::string_view message) { warnings.emplace_back(message); };
        return options;
      }()) {}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_file(const fs::path& path, std::string_view bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
  const bool written = file >= 0 && std::cmp_equal(write(file, bytes.data(), bytes.size()), bytes.size());
  if (file >= 0) close(file);
  if (!written) throw std::runtime_error("cannot write " + path.string());
}

std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& item : fs::directory_iterator(folder))
    names.push_back(item.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

fs::path entry_path(const fs::path& folder, std::string_view key_text) {
  return folder / cache::entry_name(key_text);
}

void set_age(const fs::path& path, long seconds_from_now) {
  timespec times[2]{};
  times[0].tv_sec = times[1].tv_sec = std::time(nullptr) + seconds_from_now;
  if (utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
    throw std::runtime_error("cannot set the time of " + path.string());
}

int start_child(const std::function<int()>& body) {
  const int child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child > 0) return child;
  int result = 255;
  try {
    result = body();
  } catch (...) {  // NOLINT(bugprone-empty-catch): the result says it
  }
  _exit(result);  // not exit: the parent does the test runner's work
}

int wait_for_child(int child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) throw std::runtime_error("waitpid failed");
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int in_child(const std::function<int()>& body) { return wait_for_child(start_child(body)); }

void become_nobody() {
  constexpr unsigned kNobody = 65534;
  if (geteuid() != 0) return;
  if (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0)
    throw std::runtime_error("cannot give up privileges");
}

}  // namespace gumtile::test
