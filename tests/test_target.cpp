// Texts that name targets: each gives code, or an error that says so.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gumtile/compiler.h"
#include "gumtile/error.h"
#include "gumtile/programs.h"
#include "tests/compile_fixture.h"
#include "tests/environment.h"

namespace gumtile::test {
namespace {

/// Compiles something small. Returns whether there is code, else checks that the fault is the user's.
bool compiles(const std::string& text) {
  const Program program = gemm(DType::f16, DType::f16, DType::f16);
  try {
    const Target target = Target::parse(text);
    const Schedule schedule = Schedule::parse(target.is_cuda() ? "simt" : "host");
    return !compile(make_plan(program, {64, 8, 1, 16}, schedule, target)).code.empty();
  } catch (const Error& error) {
    INFO(text, ": ", error.what());
    CHECK((error.code() == ErrorCode::usage || error.code() == ErrorCode::bad_data));
    CHECK(std::string(error.what()).size() < 1000);
    return false;
  }
}

#if defined(__x86_64__)

TEST_CASE("CPUs of 64 bits are targets; those of 32, which would end the process, are refused") {
  for (const char* cpu : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "sapphirerapids", "znver4",
                          "haswell", "nocona", "k8", "atom", "knl", "alderlake"})
    CHECK(compiles(std::string("host:") + cpu));
  for (const char* cpu : {"i386",    "i486",      "i586",      "i686",
                          "pentium", "pentium4",  "pentium-m", "prescott",
                          "yonah",   "athlon-xp", "k6",        "c3",
                          "geode",   "lakemont",  "winchip2",  "pentium_iii_no_xmm_regs",
                          "core",    "help",      "native",    "X86-64"})
    CHECK_FALSE(compiles(std::string("host:") + cpu));
}

TEST_CASE("extensions of the instruction set are features; modes and the like are refused") {
  for (const char* feature : {"avx512bf16", "avx512f", "avx512vl", "avx512fp16", "amx-bf16", "avxvnni", "fma",
                              "f16c", "sse4.1", "sse4a", "xop", "bmi2", "gfni"})
    CHECK(compiles(std::string("host:x86-64-v3+") + feature));
  CHECK(compiles("host:x86-64+avx512f"));
  CHECK(compiles("host:x86-64+avx512f+avx512bw+avx512vl+avx512bf16"));
  for (const char* feature :
       {"16bit-mode", "32bit-mode", "64bit-mode", "soft-float", "x32", "retpoline",
        "retpoline-indirect-calls", "lvi-cfi", "harden-sls-ret", "tagged-globals", "prefer-256-bit",
        "slow-lea", "inline-asm-use-gpr32", "help", "neon", "avx1024"})
    CHECK_FALSE(compiles(std::string("host:x86-64-v3+") + feature));
}

#endif

TEST_CASE("nothing else that follows host: or sm_ is more than an error") {
  for (const char* text : {"",
                           "host:",
                           "host:+",
                           "host:+avx2",
                           "host:x86-64-v3+",
                           "host:x86-64-v3++avx2",
                           "host:x86-64-v3,+avx2",
                           "host:x86-64-v3-avx2",
                           "host: x86-64-v3",
                           "host:x86-64-v3 ",
                           "host:-",
                           "host:..",
                           "Host",
                           "host\n",
                           "sm_",
                           "sm_0",
                           "sm_1",
                           "sm_9",
                           "sm_69",
                           "sm_90b",
                           "sm_90A",
                           "sm_90aa",
                           "sm_080",
                           "sm_-80",
                           "sm_+80",
                           "sm_80 ",
                           "sm_88",
                           "sm_2147483648",
                           "sm_99999999999999999999",
                           "sm80",
                           "compute_80",
                           "cuda:0",
                           "gfx942"})
    CHECK_FALSE(compiles(text));
  CHECK_FALSE(compiles(std::string("host:x86-64\0-v3", 15)));
  CHECK_FALSE(compiles("host:\x1b[31m\xff\xfe"));
  CHECK_FALSE(compiles("host:" + std::string(100000, 'x')));
  CHECK_FALSE(compiles("host:x86-64-v3" + std::string(50000, '+')));
  CHECK_FALSE(compiles(std::string(100000, 's')));
  for (int sm = 0; sm < 200; ++sm)
    for (const char* suffix : {"", "a", "f"}) {
      const std::string text = "sm_" + std::to_string(sm) + suffix;
      const bool known = std::ranges::any_of(gpu_capabilities(), [&](const GpuCapability& gpu) {
        const bool has_suffix = gpu.ptx_version_suffix != 0;
        return gpu.sm == sm && (*suffix == '\0' || (*suffix == 'a' && has_suffix));
      });
      CHECK(compiles(text) == known);
    }
}

TEST_CASE("compiling for a host needs no folder for temporary files") {
  const TemporaryDirectory folder;
  const std::string file = folder.file("file");
  std::ofstream(file) << "no folder";
  for (const std::string& named : {std::string("/nonexistent"), file, folder.file("")}) {
    const Variable tmpdir("TMPDIR", named.c_str());
    CHECK(compiles("host"));
  }
  int files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.file(""))) ++files;
  CHECK(files == 1);
}

}  // namespace
}  // namespace gumtile::test
