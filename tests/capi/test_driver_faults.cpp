// Messages about faulty CUDA drivers. Each case is a separate process, whose libcuda is what GUMTILE_LIBCUDA
// names: the driver is loaded once.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "tests/capi/fixture.h"

namespace gumtile::test {
namespace {

/// Device memory for a head's weights, always released.
class Weights {
 public:
  explicit Weights(embed::Engine& engine)
      : engine_(engine), data_(engine.allocate(static_cast<std::size_t>(kVocab * kHidden * 2))) {}
  ~Weights() { gumtile_engine_release(engine_.get(), data_); }
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;
  void* data() const { return data_; }

 private:
  embed::Engine& engine_;
  void* data_;
};

/// Prints the results of opening "auto" and of a head on "cuda:0".
TEST_CASE("report" * doctest::skip()) {
  std::string message;
  const gumtile_status status = status_of(
      [] {
        embed::EngineOptions options;
        options.log = [](void*, int level, const char* text) {
          std::printf("%s: %s\n", level == GUMTILE_LOG_WARNING ? "warning" : "info", text);
        };
        std::printf("auto is %s\n", embed::Engine(options).device().id);
      },
      &message);
  if (status != GUMTILE_OK) std::printf("auto: %s: %s\n", gumtile_status_name(status), message.c_str());
  message = "no error";
  const gumtile_status gpu = status_of(
      [] {
        embed::EngineOptions options;
        options.device = "cuda:0";
        options.flags = GUMTILE_ENGINE_NO_CACHE;
        embed::Engine engine(options);
        const Weights weights(engine);
        embed::Head head(engine, head_options(weights.data()));
        head.prepare(1);
      },
      &message);
  std::printf("cuda:0: %s: %s\n", gumtile_status_name(gpu), message.c_str());
  std::fflush(stdout);
}

/// Prints the result of each call on a device whose context is lost by the first of them.
TEST_CASE("report after a fault" * doctest::skip()) {
  embed::EngineOptions options;
  options.device = "cuda:0";
  options.flags = GUMTILE_ENGINE_NO_CACHE;
  embed::Engine engine(options);
  void* const weights = engine.allocate(static_cast<std::size_t>(kVocab * kHidden * 2));
  embed::Head head(engine, head_options(weights));
  const auto tell = [](const char* call, const auto& body) {
    std::string message = "no error";
    const gumtile_status status = status_of(body, &message);
    std::printf("%s: %s: %s\n", call, gumtile_status_name(status), message.c_str());
  };
  char byte = 0;
  tell("synchronize", [&] { engine.synchronize(); });
  tell("allocate", [&] { engine.allocate(1024); });
  tell("copy_to_device", [&] { engine.copy_to_device(weights, &byte, 1); });
  tell("copy_to_host", [&] { engine.copy_to_host(&byte, weights, 1); });
  tell("set_weights", [&] { head.set_weights(weights); });
  tell("head", [&] { embed::Head(engine, head_options(weights)); });
  tell("prepare", [&] { head.prepare(1); });
  tell("release", [&] { engine.release(weights); });
  std::fflush(stdout);
}

/// The report with `library` as libcuda, in the mode `mode`.
std::string report(const std::string& library, const std::string& mode,
                   const std::string& test_case = "report") {
  const std::string command = "GUMTILE_LIBCUDA='" + library + "' GUMTILE_FAKE_CUDA=" + mode +
                              " timeout 60 /proc/" + std::to_string(getpid()) +
                              "/exe --no-skip=1 --no-version=1 '--test-case=" + test_case + "' 2>&1";
  FILE* const pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  std::array<char, 512> part;
  for (std::size_t bytes = 0; (bytes = std::fread(part.data(), 1, part.size(), pipe)) > 0;)
    text.append(part.data(), bytes);
  const int status = pclose(pipe);
  CAPTURE(text);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  return text;
}

void check_report(const std::string& text, const std::vector<std::string>& parts) {
  CAPTURE(text);
  for (const std::string& part : parts) {
    CAPTURE(part);
    CHECK(has(text, part));
  }
}

const std::string kFake = GUMTILE_FAKE_LIBCUDA;

TEST_CASE("without a driver, auto is the CPU and cuda:0 says why not") {
  check_report(report("/nonexistent/libcuda.so.1", "-"),
               {"auto is cpu", "cuda:0: device_unavailable", "/nonexistent/libcuda.so.1",
                "install the NVIDIA driver", "warning: device 'auto' is the CPU: "});
  check_report(report("libcuda-that-nobody-has.so.1", "-"),
               {"auto is cpu", "info: device 'auto' is the CPU: "});
  check_report(report("libm.so.6", "-"), {"auto is cpu", "cuda:0: device_unavailable",
                                          "warning: device 'auto' is the CPU: libm.so.6 has no cuInit",
                                          "libm.so.6 has no cuInit", "for CUDA 11.4 or newer"});
}

TEST_CASE("the toolkit's stub is named as what it is") {
  check_report(report(kFake, "stub"),
               {"auto is cpu", "warning: device 'auto' is the CPU: ", "cuda:0: device_unavailable",
                "CUDA_ERROR_STUB_LIBRARY", "the toolkit's stub of libcuda", "LD_LIBRARY_PATH"});
}

TEST_CASE("no device") {
  check_report(report(kFake, "none"),
               {"auto is cpu", "info: device 'auto' is the CPU: ", "cuda:0: device_unavailable",
                "CUDA_ERROR_NO_DEVICE", "check nvidia-smi and CUDA_VISIBLE_DEVICES"});
}

TEST_CASE("a driver and a library of different versions") {
  check_report(report(kFake, "refuses"),
               {"auto is cpu", "warning: device 'auto' is the CPU: ", "cuda:0: device_unavailable",
                "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "reboot, or reload the nvidia module"});
}

TEST_CASE("a driver that is too old for the PTX is named beside what is needed") {
  const std::string text = report(kFake, "old-ptx");
  check_report(text,
               {"auto is cuda:0", "cuda:0: device_unavailable", "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
                "the driver is too old for this PTX: update it", ", PTX ", "the driver supports CUDA 12.0"});
}

TEST_CASE("full device memory") {
  check_report(report(kFake, "no-memory"), {"auto is cuda:0", "cuda:0: device_unavailable",
                                            "CUDA_ERROR_OUT_OF_MEMORY", "free device memory"});
}

TEST_CASE("after a fault on the device every set-up call says that the context is lost") {
  const std::string text = report(kFake, "fault", "report after a fault");
  for (const char* call : {"synchronize", "allocate", "copy_to_device", "copy_to_host", "set_weights", "head",
                           "prepare", "release"})
    check_report(text, {std::string(call) + ": context_lost: "});
  check_report(text, {"CUDA_ERROR_ILLEGAL_ADDRESS", "the process has to end"});
}

}  // namespace
}  // namespace gumtile::test
