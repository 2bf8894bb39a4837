#include "tools/nvidia_tools.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

#include "gumtile/error.h"

extern char** environ;

namespace gumtile::tools {

namespace fs = std::filesystem;

std::optional<std::string> find_on_path(const std::string& tool) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const size_t end = rest.find(':');
    const fs::path candidate = fs::path(rest.substr(0, end)) / tool;
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored) && access(candidate.c_str(), X_OK) == 0)
      return candidate.string();
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return std::nullopt;
}

TemporaryFolder::TemporaryFolder() {
  std::error_code error;
  std::string name = (fs::temp_directory_path(error) / "gumtile-XXXXXX").string();
  if (error || mkdtemp(name.data()) == nullptr)
    throw Error(ErrorCode::cannot_create,
                fmt::format("no temporary folder '{}': {}", name, std::strerror(errno)));
  path_ = name;
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, &mask_);
}
TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const fs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  if (!file) throw Error(ErrorCode::cannot_create, fmt::format("'{}' could not be written", path.string()));
}

std::string run_tool(const TemporaryFolder& folder, std::vector<std::string> arguments,
                     const std::string& name) {
  const fs::path out = folder / (name + ".stdout");
  const fs::path err = folder / (name + ".stderr");
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &folder.mask());
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, argv[0], &files, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0)
    throw Error(ErrorCode::device_unavailable,
                fmt::format("'{}' cannot be started: {}", arguments[0], std::strerror(error)));

  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return read_file(out);
  std::vector<std::string> notes;
  for (const fs::path& log : {err, out})
    if (std::string text = read_file(log); !text.empty()) notes.push_back(std::move(text));
  throw Error(
      ErrorCode::internal,
      WIFEXITED(status)
          ? fmt::format("'{}' failed with exit code {}", fmt::join(arguments, " "), WEXITSTATUS(status))
          : fmt::format("'{}' was ended by signal {}", fmt::join(arguments, " "), WTERMSIG(status)),
      notes);
}

std::string assemble(const std::string& ptxas, const std::string& ptx, const Target& target,
                     const TemporaryFolder& folder, const std::string& name) {
  const fs::path source = folder / (name + ".ptx");
  const fs::path cubin = folder / (name + ".cubin");
  write_file(source, ptx);
  run_tool(folder, {ptxas, "-arch=" + target.str(), "-o", cubin.string(), source.string()}, name);
  std::string bytes = read_file(cubin);
  std::error_code ignored;
  fs::remove(source, ignored);
  fs::remove(cubin, ignored);
  return bytes;
}

}  // namespace gumtile::tools
