#include <doctest/doctest.h>
#include <elf.h>
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <regex>
#include <sstream>
#include <thread>

#include "gumtile/assembler.h"
#include "gumtile/compiler.h"
#include "gumtile/error.h"
#include "gumtile/plan.h"
#include "gumtile/programs.h"
#include "runtime/assembler/cubin.h"
#include "runtime/assembler/process.h"
#include "tests/compile_fixture.h"

namespace gumtile::test {
namespace {

std::vector<Program> built_in_programs() {
  std::vector<Program> all;
  for (NoiseScheme noise : kSchemes)
    for (bool logprob : {false, true}) {
      all.push_back(lm_head(noise, logprob));
      all.push_back(sample_logits({noise, DType::f32, DType::f32, logprob}));
    }
  all.push_back(lm_head_sample({NoiseScheme::grouped, DType::f32, DType::f16, true}));
  all.push_back(lm_head_sample({NoiseScheme::grouped, DType::bf16, DType::bf16, true, DType::i64}));
  all.push_back(greedy_argmax(DType::bf16, DType::bf16));
  all.push_back(gemm(DType::f16, DType::f16, DType::f16));
  all.push_back(gemm(DType::bf16, DType::bf16, DType::f32));
  all.push_back(row_statistics(DType::f32, DType::f32));
  all.push_back(cross_entropy(DType::bf16, DType::bf16));
  return all;
}

/// Calls `check` (which returns what failed) for 0 … count - 1, on two threads.
void for_all(size_t count, const std::function<std::string(size_t)>& check) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::vector<std::string> failures;
  auto work = [&] {
    for (size_t i = next++; i < count; i = next++) {
      std::string failure;
      try {
        failure = check(i);
      } catch (const std::exception& error) {
        failure = error.what();
      }
      const std::lock_guard lock(mutex);
      if (!failure.empty()) failures.push_back(std::move(failure));
    }
  };
  std::thread other(work);
  work();
  other.join();
  for (size_t i = 0; i < std::min<size_t>(failures.size(), 8); ++i) FAIL_CHECK(failures[i]);
  CHECK(failures.empty());
}

// ---- ptxas, where there is one ----

/// Its path; empty: there is none.
std::string find_ptxas() { return find_assembler().value_or(""); }

struct Assembly {
  bool succeeded = false;
  std::string log;
  std::string cubin;
};

Assembly assemble(const std::string& ptxas, const std::string& ptx, const std::string& arch) {
  const assembler::MemoryFile source(ptx), cubin;
  try {
    const assembler::ProgramOutput said = assembler::run_program(
        {ptxas, "-v", "-arch=" + arch, "-o", assembler::program_file(1), assembler::program_file(0)},
        {source, cubin});
    return {true, said.out + said.err, cubin.contents()};
  } catch (const Error& error) {
    return {false, error.what(), {}};
  }
}

/// What is wrong with the assembly of a kernel; empty if nothing is.
std::string find_fault(const Assembly& assembly, bool allows_spills) {
  if (!assembly.succeeded) return "ptxas failed";
  // Performance warnings of the assembler, such as serialised tensor core instructions.
  if (contains(assembly.log, "C75")) return "ptxas warns";
  if (allows_spills) return "";
  static const std::regex frame(
      "([0-9]+) bytes stack frame, ([0-9]+) bytes spill stores, ([0-9]+) bytes spill loads");
  bool found = false;
  for (std::sregex_iterator i(assembly.log.begin(), assembly.log.end(), frame), end; i != end; ++i) {
    found = true;
    for (size_t part = 1; part <= 3; ++part)
      if ((*i)[part].str() != "0") return "spills: " + i->str();
  }
  return found ? "" : "ptxas said nothing of spills";
}

TEST_CASE("every main loop of the LM head is assembled without spills") {
  const std::string ptxas = find_ptxas();
  if (ptxas.empty()) {
    MESSAGE("there is no ptxas on PATH or in /usr/local/cuda/bin: skipped");
    return;
  }
  struct Kernel {
    std::string target;
    std::string schedule;
    NoiseScheme noise;
    bool logprob;
  };
  std::vector<Kernel> kernels;
  for (const std::string target :
       {"sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"}) {
    const Assembly probe =
        assemble(ptxas, fmt::format(".version 8.8\n.target {}\n.address_size 64\n", target), target);
    if (!probe.succeeded) {
      MESSAGE("this ptxas does not know ", target, ": skipped");
      continue;
    }
    for (NoiseScheme noise : kSchemes)
      for (bool logprob : {false, true}) {
        kernels.push_back({target, logprob ? "simt:b32" : "simt:b8", noise, logprob});
        if (!Target::parse(target).gpu().async_copy) continue;
        for (const char* schedule :
             {"mma_sync:b16,v256,stages=2,warps=1x4,copy=16", "mma_sync:b16,v256,stages=2,warps=1x4,copy=2",
              "mma_sync:b64,v128,stages=3,warps=2x2,copy=16", "mma_sync:b64,v128,stages=3,warps=2x2,copy=2"})
          kernels.push_back({target, schedule, noise, logprob});
      }
  }
  for_all(kernels.size(), [&](size_t i) -> std::string {
    const Kernel& k = kernels[i];
    const KernelPlan p = plan(lm_head(k.noise, k.logprob), k.target.c_str(), k.schedule.c_str());
    const KernelArtifact artifact = compile(p);
    const Assembly assembly = assemble(ptxas, artifact.code, k.target);
    const bool simt = p.schedule.family_name() == "simt";
    std::string fault = find_fault(assembly, simt);
    // An engine that loads it looks for the entries that are launched.
    std::vector<std::string> entries{artifact.launch.sweep};
    if (!artifact.launch.stage.empty()) entries.push_back(artifact.launch.stage);
    if (fault.empty()) fault = assembler::why_not_cubin(assembly.cubin, Target::parse(k.target), entries);
    if (fault.empty()) return "";
    return fmt::format("{} {} {} logprob={}: {}\n{}", k.target, k.schedule, name(k.noise), k.logprob, fault,
                       assembly.log);
  });
}

/// Of the schedules that the heuristic and a tuner may pick, those with different code: the number of stages
/// and the width of L2 fetches do not change it.
std::vector<Schedule> wgmma_code_shapes(const Program& program, int64_t columns) {
  std::map<std::string, Schedule> shapes;
  for (int64_t rows : {1, 64, 128, 256, 512})
    for (Schedule schedule : schedule_space(program, {columns, 4096, rows, 16}, Target::parse("sm_90a"))) {
      auto* s = std::get_if<WgmmaSchedule>(&schedule.family);
      if (!s || s->l2_promotion != 128) continue;
      shapes.emplace(
          fmt::format("{} {} {} {}x{} {}x{} {} {}", s->block_rows, s->block_vocab, s->block_k,
                      s->warpgroups_m, s->warpgroups_n, s->cluster_m, s->cluster_n, s->box_rows, s->turns),
          schedule);
    }
  std::vector<Schedule> all;
  for (const auto& [key, schedule] : shapes) all.push_back(schedule);
  return all;
}

TEST_CASE("every wgmma code shape is assembled without spills or serialised instructions") {
  const std::string ptxas = find_ptxas();
  if (ptxas.empty()) {
    MESSAGE("there is no ptxas on PATH or in /usr/local/cuda/bin: skipped");
    return;
  }
  struct Kernel {
    Program program;
    Schedule schedule;
    std::string what;
    int64_t columns;
  };
  // All shapes with the cheapest epilogue, and the simplest of each tile with the other epilogues, also for a
  // vocabulary that ends within a block of 64. GUMTILE_TEST_ALL_SHAPES: all shapes with all epilogues.
  const bool all = std::getenv("GUMTILE_TEST_ALL_SHAPES") != nullptr;
  std::vector<Kernel> kernels;
  for (NoiseScheme noise : kSchemes)
    for (bool logprob : {false, true}) {
      const Program program = lm_head(noise, logprob);
      for (const int64_t columns : {151936, 50257})
        for (const Schedule& schedule : wgmma_code_shapes(program, columns)) {
          const auto& s = std::get<WgmmaSchedule>(schedule.family);
          const bool plain =
              s.block_k == 64 && (s.cluster_m * s.cluster_n == 1 || s.turns > 1) && s.box_rows == 64;
          const bool large = s.block_rows * s.block_vocab / (s.warpgroups_m * s.warpgroups_n) >= 128 * 128;
          const bool ragged = columns % 64 != 0;
          const bool cheapest = !logprob && noise == NoiseScheme::grouped;
          if (!all && !(plain ? large || !ragged : cheapest && !ragged)) continue;
          kernels.push_back({program, schedule,
                             fmt::format("{} logprob={}, {} columns", name(noise), logprob, columns),
                             columns});
        }
    }
  CHECK(kernels.size() > 60);
  for_all(kernels.size(), [&](size_t i) -> std::string {
    const Kernel& k = kernels[i];
    const KernelPlan p = make_plan(k.program, {k.columns, 4096, 64, 16}, k.schedule, Target::parse("sm_90a"));
    const Assembly assembly = assemble(ptxas, compile(p).code, "sm_90a");
    const std::string fault = find_fault(assembly, false);
    return fault.empty() ? "" : fmt::format("{} {}: {}", k.schedule.str(), k.what, fault);
  });
}

// What is between the product and the choice is computed once per value of a lane, even if a group is folded
// a second time, and a bias is read once for all rows of a column.
TEST_CASE("bias, softcap and scale cost a few instructions for each value") {
  const std::string ptxas = find_ptxas();
  struct Shape {
    const char* schedule;
    size_t columns, values;  // of a lane
  };
  for (const Shape& shape : {Shape{"wgmma:b64,v128,k64,stages=4,wg=1x1", 32, 64},
                             {"wgmma:b128,v256,k64,stages=4,wg=2x1,cluster=2x1,box=64", 64, 128}})
    for (const NoiseScheme noise : kSchemes)
      for (const Features features : {kNoFeatures, kAllFeatures}) {
        SamplingOptions options{noise, DType::bf16, DType::bf16, features};
        CAPTURE(shape.schedule);
        CAPTURE(name(noise));
        CAPTURE(features);
        const auto ptx_of = [&] {
          return compile(plan(lm_head_sample(options), "sm_90a", shape.schedule)).code;
        };
        const std::string plain = ptx_of();
        options.settings.bias_dtype = DType::bf16;
        // In pairs, or each by itself if the bias is not aligned for that.
        const std::string biased = ptx_of();
        CHECK(count(biased, "ld.global.b32") - count(plain, "ld.global.b32") == shape.columns / 2);
        CHECK(count(biased, "ld.global.b16") - count(plain, "ld.global.b16") == shape.columns);
        options.settings = {};
        options.settings.softcap = 30;
        const std::string capped = ptx_of();
        CHECK(count(capped, "rcp.approx.ftz.f32") - count(plain, "rcp.approx.ftz.f32") == shape.values);
        CHECK(!contains(capped, "div.rn"));
        options.settings.bias_dtype = DType::f32;
        options.settings.logit_scale = 0.5F;
        if (ptxas.empty()) continue;
        const Assembly assembly = assemble(ptxas, ptx_of(), "sm_90a");
        CHECK(find_fault(assembly, false) == "");
      }
}

// One address per row, adjacent columns by one instruction each, and one condition around all of them.
TEST_CASE("values per column are stored and loaded in pairs at constant distances") {
  const std::string ptxas = find_ptxas();
  for (const NoiseScheme noise : kSchemes) {
    SamplingOptions options{noise, DType::bf16, DType::bf16, kNoFeatures};
    const char* schedule = "wgmma:b64,v128,k64,stages=4,wg=1x1";
    constexpr size_t kValues = 64, kRuns = kValues / 2, kRows = 2;
    const auto ptx_of = [&] { return compile(plan(lm_head_sample(options), "sm_90a", schedule)).code; };
    const std::string plain = ptx_of();
    options.fragments = {
        {"stored", HeadStage::results, [](HeadBuilder& h) { h.p.tile_output("stored", h.logit); }}};
    const std::string stores = ptx_of();
    CHECK(count(stores, "st.global.v2.b32") == kRuns);
    CHECK(count(stores, "st.global.b32") - count(plain, "st.global.b32") == kValues);
    // A row counts or does not, and its address is aligned or not.
    CHECK(count(stores, "bra") - count(plain, "bra") <= 4 * kRows);
    options.fragments = {{"counts", HeadStage::logits, [](HeadBuilder& h) {
                            const Tensor counts = h.p.input("counts", DType::i32, {h.batch, h.vocab});
                            const Expr count = counts.at({h.batch.index(), h.vocab.index()});
                            const Expr factor = h.input("factor", DType::f32, Over::slots, 0.0);
                            h.logit = branch(factor != 0.0f, fma(factor, cast(count, DType::f32), h.logit),
                                             h.logit);
                          }}};
    const std::string counts = ptx_of();
    CHECK(count(counts, "ld.global.b64") - count(plain, "ld.global.b64") == kRuns);
    CHECK(count(counts, "cvt.rn.f32.s32") == kValues);  // nothing is computed a second time
    if (ptxas.empty()) continue;
    for (const std::string& ptx : {stores, counts})
      CHECK(find_fault(assemble(ptxas, ptx, "sm_90a"), false) == "");
  }
}

TEST_CASE("all main loops load and store pairs of columns") {
  ProgramBuilder p("pairs");
  const Axis batch = p.axis("batch"), vocab = p.axis("vocab"), hidden = p.axis("hidden");
  const Expr product = p.contract(p.input("x", DType::bf16, {batch, hidden}),
                                  p.input("w", DType::bf16, {vocab, hidden}), hidden);
  p.tile_output("y",
                product + p.input("addend", DType::f32, {batch, vocab}).at({batch.index(), vocab.index()}));
  const Program program = p.build();
  for (const int64_t columns : {int64_t{1024}, int64_t{1000}})
    for (const auto& [target, schedule] : std::vector<std::pair<const char*, const char*>>{
             {"sm_90a", "wgmma:b64,v128"}, {"sm_80", "mma_sync:b16,v256,warps=1x4"}, {"sm_70", "simt:b8"}}) {
      INFO(target, " ", schedule, ", ", columns, " columns");
      const KernelPlan made =
          make_plan(program, {columns, 256, 16, 16}, Schedule::parse(schedule), Target::parse(target));
      const std::string ptx = compile(made).code;
      const size_t pairs = static_cast<size_t>(made.fragment.rows * made.fragment.blocks) * 8;
      CHECK(count(ptx, "st.global.v2.b32") == pairs);
      CHECK(count(ptx, "ld.global.b64") == pairs);
    }
}

// ---- the text ----

TEST_CASE("wgmma streams through tensor maps and keeps accumulators in registers") {
  for (NoiseScheme noise : kSchemes) {
    const std::string ptx =
        compile(plan(lm_head(noise, false), "sm_90a", "wgmma:b128,v256,stages=4,wg=2x1,cluster=2x1")).code;
    for (const char* part :
         {"wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16", "wgmma.mma_async.sync.aligned.m64n128k16",
          "cp.async.bulk.tensor.2d.shared::cluster.global", "multicast::cluster", "mbarrier.try_wait.parity",
          "setmaxnreg.inc", "griddepcontrol.wait", ".explicitcluster"})
      CHECK_MESSAGE(contains(ptx, part), part);
    CHECK_FALSE(contains(ptx, ".local"));
    CHECK_FALSE(contains(ptx, "call.uni"));
    // One copy of the fold serves the eight groups of a lane: sixteen members, sixteen exponentials.
    if (noise == NoiseScheme::grouped) CHECK(count(ptx, "ex2.approx") == 16);
    CHECK_FALSE(
        contains(ptx, ".release.cluster.shared::cluster"));  // a remote arrival's fence would halve the speed
  }
  const std::string f16 =
      compile(plan(lm_head(NoiseScheme::grouped, false, DType::f16), "sm_90a", "wgmma:b64,v64")).code;
  CHECK(contains(f16, "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16"));
}

TEST_CASE("mma_sync uses tensor cores and asynchronous copies, and no local memory") {
  for (NoiseScheme noise : kSchemes)
    for (bool logprob : {false, true})
      for (const char* schedule : {"mma_sync:b16,copy=16", "mma_sync:b64,stages=3,warps=2x4,copy=8"}) {
        INFO(std::string(name(noise)), ", logprob ", logprob);
        INFO(std::string(schedule));
        const std::string ptx = compile(plan(lm_head(noise, logprob), "sm_80", schedule)).code;
        CHECK(contains(ptx, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"));
        CHECK(contains(ptx, "ldmatrix.sync.aligned"));
        CHECK(contains(ptx, "cp.async"));
        CHECK(contains(ptx, "cp.async.commit_group"));
        CHECK_FALSE(contains(ptx, ".local"));
        CHECK_FALSE(contains(ptx, "call.uni"));
      }
  const std::string ptx =
      compile(plan(lm_head(NoiseScheme::grouped, false, DType::f16), "sm_80", "mma_sync")).code;
  CHECK(contains(ptx, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"));
}

TEST_CASE("simt runs without what sm_80 brought") {
  const std::string ptx = compile(plan(lm_head(NoiseScheme::grouped, true), "sm_70", "simt")).code;
  CHECK_FALSE(contains(ptx, "mma.sync"));
  CHECK_FALSE(contains(ptx, "cp.async"));
  CHECK_FALSE(contains(ptx, ".local"));
  CHECK_FALSE(contains(ptx, "call.uni"));
}

TEST_CASE("PTX asks for the lowest version that names its target") {
  for (const GpuCapability& gpu : gpu_capabilities())
    for (const bool suffix : {false, true}) {
      if (suffix && gpu.ptx_version_suffix == 0) continue;
      const std::string target = fmt::format("sm_{}{}", gpu.sm, suffix ? "a" : "");
      CAPTURE(target);
      const int version = suffix ? gpu.ptx_version_suffix : gpu.ptx_version;
      const KernelArtifact artifact =
          compile(plan(gemm(DType::bf16, DType::bf16, DType::f32), target.c_str(), "simt"));
      CHECK(artifact.ptx_version == version);
      CHECK(artifact.target == target);
      CHECK(artifact.format == KernelArtifact::Format::ptx);
      CHECK(contains(artifact.code, fmt::format(".version {}.{}\n", version / 10, version % 10).c_str()));
      CHECK(contains(artifact.code, fmt::format(".target {}", target).c_str()));
      for (const std::string* entry :
           {&artifact.launch.sweep, &artifact.launch.finish, &artifact.launch.stage})
        if (!entry->empty()) CHECK(contains(artifact.code, (".entry " + *entry + "(").c_str()));
    }
}

// ---- all Programs, all targets ----

TEST_CASE("every built-in Program compiles for the host and for GPUs") {
  const std::vector<Program> programs = built_in_programs();
  constexpr const char* kTargets[] = {"host", "host:x86-64", "sm_80", "sm_90a"};
  constexpr size_t kCount = std::size(kTargets);
  for_all(programs.size() * kCount, [&](size_t i) -> std::string {
    const Program& program = programs[i / kCount];
    const Target target = Target::parse(kTargets[i % kCount]);
#if !defined(__x86_64__)
    if (target.cpu == "x86-64") return "";
#endif
    const Problem problem{32003, program.contractions.empty() ? 0 : 2880, 17, 16};
    const KernelArtifact a =
        compile(make_plan(program, problem, default_schedule(program, problem, target), target));
    const bool complete = !a.code.empty() && a.key.size() == 32 && a.launch.columns == 32003 &&
                          a.launch.inputs.size() == program.inputs.size() &&
                          a.launch.outputs.size() == program.outputs.size();
    return complete ? "" : fmt::format("{} for {}: the artifact is incomplete", program.name, target.str());
  });
}

TEST_CASE("compiling a plan twice gives the same bytes") {
  const Program program = lm_head(NoiseScheme::grouped, true);
  std::vector<std::string> keys;
  for (const char* target : {"host", "sm_90a"}) {
    INFO(std::string(target));
    const Problem problem{32003, 72, 4, 16};
    const Target parsed = Target::parse(target);
    const KernelPlan p = make_plan(program, problem, default_schedule(program, problem, parsed), parsed);
    const KernelArtifact a = compile(p);
    KernelArtifact b;
    std::thread([&] { b = compile(p); }).join();  // also on another thread
    CHECK(a.code == b.code);
    CHECK(a.key == b.key);
    KernelPlan other = p;
    other.problem.columns += 1;
    CHECK(compile(other).key != a.key);
    keys.push_back(a.key);
  }
  CHECK(keys[0] != keys[1]);
}

/// Names of the symbols that a shared object imports.
std::vector<std::string> undefined_symbols(const std::string& elf) {
  Elf64_Ehdr header;
  REQUIRE(elf.size() > sizeof header);
  std::memcpy(&header, elf.data(), sizeof header);
  REQUIRE(std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0);
  auto section = [&](size_t i) {
    Elf64_Shdr s;
    std::memcpy(&s, elf.data() + header.e_shoff + i * sizeof s, sizeof s);
    return s;
  };
  std::vector<std::string> names;
  size_t tables = 0;
  for (size_t i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr table = section(i);
    if (table.sh_type != SHT_DYNSYM) continue;
    ++tables;
    const Elf64_Shdr strings = section(table.sh_link);
    for (size_t at = sizeof(Elf64_Sym); at < table.sh_size; at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, elf.data() + table.sh_offset + at, sizeof symbol);
      if (symbol.st_shndx == SHN_UNDEF) names.emplace_back(elf.data() + strings.sh_offset + symbol.st_name);
    }
  }
  CHECK(tables == 1);
  return names;
}

TEST_CASE("a host object takes no symbol from elsewhere") {
  for (const Program& program :
       {lm_head(NoiseScheme::grouped, true), gemm(DType::f16, DType::f16, DType::f16)})
    for (const char* target : {"host", "host:x86-64"}) {
#if !defined(__x86_64__)
      if (std::strcmp(target, "host") != 0) continue;
#endif
      CAPTURE(program.name);
      INFO(std::string(target));
      const KernelArtifact a =
          compile(make_plan(program, {1000, 72, 4, 16}, Schedule::parse("host:b4"), Target::parse(target)));
      CHECK(a.format == KernelArtifact::Format::shared_object);
      CHECK(undefined_symbols(a.code) == std::vector<std::string>{});
    }
}

TEST_CASE("the stages can be looked at") {
  const Program program = lm_head(NoiseScheme::grouped, false);
  const KernelPlan gpu = plan(program, "sm_80", "mma_sync");
  const std::string ir = emit(gpu, Stage::llvm);
  CHECK(contains(ir, "target triple = \"nvptx64-nvidia-cuda\""));
  CHECK(contains(ir, ("define ptx_kernel void @" + gpu.launch.sweep).c_str()));
  CHECK(emit(gpu, Stage::assembly) == compile(gpu).code);
  const KernelPlan host = plan(program, "host", "host");
  CHECK(contains(emit(host, Stage::llvm), ("void @" + host.launch.sweep).c_str()));
  CHECK(contains(emit(host, Stage::assembly), (host.launch.sweep + ":").c_str()));
}

TEST_CASE("an unknown CPU is refused with its name") {
  const Program program = gemm(DType::f32, DType::f32, DType::f32);
  const KernelPlan p =
      make_plan(program, {64, 8, 1, 16}, Schedule::parse("host"), Target::parse("host:no-such-cpu"));
  CHECK_THROWS_WITH_AS(compile(p), doctest::Contains("no-such-cpu"), Error);
}

}  // namespace
}  // namespace gumtile::test
