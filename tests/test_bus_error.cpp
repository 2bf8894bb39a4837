#include <doctest/doctest.h>
#include <sys/wait.h>

#include "runtime/io/mappings.h"
#include "tensor_file_fixture.h"
#include "tools/bus_error.h"

using namespace gumtile;
using namespace gumtile::test;

namespace {

/// Sums up bytes in a separate process, with the handler, and stderr in a file. Returns how it ended.
int status_of_reading(const std::byte* data, size_t bytes, const std::string& stderr_file) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (std::freopen(stderr_file.c_str(), "w", stderr) == nullptr) ::_exit(1);
    tools::install_bus_error_handler();
    volatile unsigned sum = 0;
    for (size_t i = 0; i < bytes; ++i) sum = sum + std::to_integer<unsigned>(data[i]);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

}  // namespace

TEST_CASE("reading a mapped file that was cut short ends the process with the file's name") {
  const TemporaryFolder folder;
  const std::string path = folder / "model\x1b.safetensors";
  const std::vector<float> values(100'000);
  write_safetensors(path, std::vector<NamedTensor>{
                              {"lm_head.weight", DType::f32, {1000, 100}, std::as_bytes(std::span(values))}});
  const TensorFile file = open_safetensors(path);
  const TensorView& view = file.view();
  const std::string messages = folder / "messages";
  int status = status_of_reading(view.data, view.size_bytes, messages);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  fs::resize_file(path, 1000);
  status = status_of_reading(view.data, view.size_bytes, messages);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == static_cast<int>(ErrorCode::io));
  const std::string text = read_file(messages);
  CHECK(text.starts_with("gumtile: '" + folder.path() + "/model\\x1b.safetensors': "));
  CHECK(text.find("cut short") != std::string::npos);
  CHECK(text.ends_with("\n"));
}

TEST_CASE("an address is looked up among the files that are mapped") {
  const TemporaryFolder folder;
  write_matrices(folder / "a.safetensors", {"lm_head.weight"});
  const std::byte* address = nullptr;
  {
    const TensorFile file = open_safetensors(folder / "a.safetensors");
    address = file.view().data;
    REQUIRE(io::mapping_name(address) != nullptr);
    CHECK(std::string(io::mapping_name(address)).find("a.safetensors") != std::string::npos);
  }
  CHECK(io::mapping_name(address) == nullptr);
  int local = 0;
  CHECK(io::mapping_name(&local) == nullptr);
  CHECK(io::mapping_name(nullptr) == nullptr);
}
