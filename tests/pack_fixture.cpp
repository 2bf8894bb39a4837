#include "tests/pack_fixture.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "gumtile/compiler.h"

namespace gumtile::test {

PackRequest host_request() {
  PackRequest request;
  request.head.vocab_size = kPackVocab;
  request.head.hidden_size = kPackHidden;
  request.max_rows = 8;
  request.targets = {Target::parse("host")};
  return request;
}

std::string make_pack(const PackRequest& request, const std::string& cubin) {
  PackWriter writer(request, "test");
  for (const PackPlan& plan : plan_pack(request)) {
    KernelArtifact artifact = compile(plan.plan);
    writer.add(plan, artifact);
    if (cubin.empty()) continue;
    artifact.format = KernelArtifact::Format::cubin;
    artifact.code = cubin;
    writer.add(plan, artifact);
  }
  return writer.bytes();
}

TestFile::TestFile(const std::string& bytes) {
  std::string name = (std::filesystem::temp_directory_path() / "gumtile-pack-XXXXXX").string();
  const int fd = mkstemp(name.data());
  if (fd < 0) throw std::runtime_error("no temporary file");
  ::close(fd);
  path_ = name;
  std::ofstream(path_, std::ios::binary) << bytes;
}

TestFile::~TestFile() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

}  // namespace gumtile::test
