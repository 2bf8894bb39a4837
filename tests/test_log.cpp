#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gumtile/engine.h"
#include "gumtile/log.h"
#include "tests/environment.h"

namespace gumtile {
namespace {

using test::Variable;

/// The text written to stderr while `body` runs.
template <typename Body>
std::string stderr_of(const Body& body) {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  std::fflush(stderr);
  const int old = dup(STDERR_FILENO);
  dup2(fileno(file), STDERR_FILENO);
  body();
  dup2(old, STDERR_FILENO);
  close(old);
  std::string text(static_cast<size_t>(lseek(fileno(file), 0, SEEK_END)), '\0');
  CHECK(pread(fileno(file), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  std::fclose(file);
  return text;
}

void say_all(const Log& log) {
  if (!log) return;
  log(LogLevel::debug, "small");
  log(LogLevel::info, "news");
  log(LogLevel::warning, "trouble");
}

TEST_CASE("GUMTILE_LOG decides what goes to stderr") {
  const auto said = [](const char* level) {
    const Variable variable("GUMTILE_LOG", level);
    return stderr_of([] { say_all(with_environment_log({})); });
  };
  CHECK(said(nullptr).empty());
  CHECK(said("").empty());
  CHECK(said("off").empty());
  CHECK(said("error").empty());
  CHECK(said("warning") == "gumtile: warning: trouble\n");
  CHECK(said("info") == "gumtile: info: news\ngumtile: warning: trouble\n");
  CHECK(said("INFO") == said("info"));
  CHECK(said("debug") == "gumtile: debug: small\ngumtile: info: news\ngumtile: warning: trouble\n");
}

TEST_CASE("an unknown level is told of once and counts as info") {
  const Variable variable("GUMTILE_LOG", "2");
  const std::string first = stderr_of([] { say_all(with_environment_log({})); });
  CHECK(first ==
        "gumtile: warning: GUMTILE_LOG is '2'; expected off, warning, info or debug. It counts as info\n"
        "gumtile: info: news\ngumtile: warning: trouble\n");
  CHECK(stderr_of([] { with_environment_log({}); }).empty());
}

TEST_CASE("a program's own log gets every message once, also if GUMTILE_LOG asks for lines") {
  std::vector<std::string> heard;
  const Log own = [&](LogLevel level, std::string_view message) {
    heard.push_back(std::string(name(level)) + " " + std::string(message));
  };
  const Variable variable("GUMTILE_LOG", "warning");
  const std::string lines =
      stderr_of([&] { say_all(with_environment_log(with_environment_log(with_environment_log(own)))); });
  CHECK(lines == "gumtile: warning: trouble\n");
  CHECK(heard == std::vector<std::string>{"debug small", "info news", "warning trouble"});
  CHECK(stderr_of([&] { say_all(with_environment_log(log_to_stderr(LogLevel::info))); }) ==
        "gumtile: info: news\ngumtile: warning: trouble\n");
}

TEST_CASE("the environment is read when a log is made and not later") {
  Log log;
  {
    const Variable variable("GUMTILE_LOG", "warning");
    log = with_environment_log({});
  }
  CHECK(stderr_of([&] { say_all(log); }) == "gumtile: warning: trouble\n");
}

TEST_CASE("a stderr that was closed is left alone: its descriptor may be another file's") {
  const Variable variable("GUMTILE_LOG", "debug");
  const int old = dup(STDERR_FILENO);
  close(STDERR_FILENO);
  const Log log = with_environment_log({});
  const Log direct = log_to_stderr(LogLevel::debug);
  const std::filesystem::path path = std::filesystem::temp_directory_path() / "gumtile-test-log";
  const int other = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  say_all(log);
  say_all(direct);
  const off_t bytes = lseek(other, 0, SEEK_END);
  dup2(old, STDERR_FILENO);
  if (other != STDERR_FILENO) close(other);
  close(old);
  std::filesystem::remove(path);
  CHECK(other == STDERR_FILENO);
  CHECK(bytes == 0);
}

TEST_CASE("an engine without a log of its own says what it opened") {
  const Variable variable("GUMTILE_LOG", "info");
  const auto opened = [](const char* device) {
    return stderr_of([&] { Engine::open(device, EngineOptions{}); });
  };
  CHECK(opened("cpu").starts_with("gumtile: info: opened cpu ("));
  CHECK(opened("cpu").find("'auto'") == std::string::npos);
  const std::string chosen = opened("auto");
  if (chosen.find("opened cpu") != std::string::npos)
    CHECK(chosen.find("device 'auto' is the CPU: ") != std::string::npos);
}

}  // namespace
}  // namespace gumtile
