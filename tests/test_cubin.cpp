// What is accepted as a cubin, and what is not.
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "gumtile/assembler.h"
#include "gumtile/error.h"
#include "runtime/assembler/cubin.h"
#include "tests/cubin_fixture.h"

namespace gumtile::assembler {
namespace {

using test::CubinSpec;
using test::some_cubin;

const std::vector<std::string> kKernels{"k"};

std::string why_not(const CubinSpec& spec, const char* target = "sm_90a") {
  return why_not_cubin(some_cubin(spec), Target::parse(target), kKernels);
}

TEST_CASE("the kernels of PTX are found by their names") {
  CHECK(entries_of("").empty());
  CHECK(entries_of(".visible .entry first(\n.param .u64 p)\n{ ret; }\n.entry\tsecond () { ret; } .entry") ==
        std::vector<std::string>{"first", "second"});
}

TEST_CASE("a cubin is for the architecture that its flags name, in the older and the newer form") {
  CHECK(why_not({}).empty());
  CHECK(why_not({}, "sm_90").empty());
  CHECK(why_not({}, "sm_100a") == "it is for sm_90, expected sm_100a");
  CubinSpec older;
  older.abi_version = 7;
  older.flags = 0x005a0d5a;  // sm_90a as CUDA 12 writes it
  CHECK(why_not(older).empty());
  CHECK_FALSE(why_not(older, "sm_89").empty());
  CubinSpec blackwell;
  blackwell.flags = 0x0600780a;
  CHECK(why_not(blackwell, "sm_120a").empty());
}

TEST_CASE("what is not a cubin is refused, however much of one it is") {
  const Target target = Target::parse("sm_90a");
  CubinSpec spec;
  spec.machine = EM_X86_64;
  CHECK(why_not(spec).find("ELF machine 62, expected 190") != std::string::npos);
  spec = {};
  spec.elf_class = ELFCLASS32;
  CHECK_FALSE(why_not(spec).empty());
  spec = {};
  spec.byte_order = ELFDATA2MSB;
  CHECK_FALSE(why_not(spec).empty());
  spec = {};
  spec.kernel = "other";
  CHECK(why_not(spec) == "it has no kernel 'k'");
  for (const char* text : {"", "hello\n", "\177ELF", "\177ELFelf"})
    CHECK_FALSE(why_not_cubin(text, target, kKernels).empty());
}

TEST_CASE("no shortened or changed cubin is read beyond its end") {
  const Target target = Target::parse("sm_90a");
  const std::string whole = some_cubin();
  for (size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(why_not_cubin(whole.substr(0, size), target, kKernels).empty());
  for (size_t at = 0; at < whole.size(); ++at)
    for (const char value : std::array<char, 3>{'\xff', '\x7f', '\0'}) {
      std::string changed = whole;
      changed[at] = value;
      why_not_cubin(changed, target, kKernels);  // any answer is fine; a sanitizer checks the accesses
    }
}

TEST_CASE("what ptxas makes is a cubin, for every architecture that it knows") {
  const std::optional<std::string> ptxas = find_assembler();
  if (!ptxas) {
    MESSAGE("there is no ptxas: skipped");
    return;
  }
  int made = 0;
  for (const GpuCapability& gpu : gpu_capabilities())
    for (const bool suffix : {false, true}) {
      if (suffix && gpu.ptx_version_suffix == 0) continue;
      const Target target{Target::Kind::cuda, gpu.sm, suffix, {}};
      const int version = suffix ? gpu.ptx_version_suffix : gpu.ptx_version;
      const std::string ptx = ".version " + std::to_string(version / 10) + "." +
                              std::to_string(version % 10) + "\n.target " + target.str() +
                              "\n.address_size 64\n.visible .entry k() { ret; }\n";
      std::string cubin;
      try {
        cubin = assemble(*ptxas, ptx, target);
      } catch (const Error& error) {
        // Not every release supports every architecture.
        CHECK(std::string(error.what()).find("failed with exit code") != std::string::npos);
        continue;
      }
      ++made;
      CHECK(why_not_cubin(cubin, target, kKernels).empty());
      CHECK_FALSE(why_not_cubin(cubin, target, std::vector<std::string>{"another"}).empty());
      CHECK_FALSE(why_not_cubin(cubin, Target::parse(gpu.sm == 90 ? "sm_80" : "sm_90"), kKernels).empty());
    }
  CHECK(made > 0);
}

}  // namespace
}  // namespace gumtile::assembler
