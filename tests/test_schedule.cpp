// Schedules, targets and plans: their texts, what is legal where, and what a plan says.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "gumtile/dsl.h"
#include "gumtile/dsl_functions.h"
#include "gumtile/plan.h"
#include "gumtile/workload.h"
#include "plan/family.h"
#include "tests/program_run.h"

namespace gumtile::test {
namespace {

std::vector<Target> all_targets() {
  std::vector<Target> targets{Target::parse("host"), Target::parse("host:x86-64-v3")};
  for (const GpuCapability& gpu : gpu_capabilities()) {
    targets.push_back({Target::Kind::cuda, gpu.sm, false, {}});
    if (gpu.ptx_version_suffix != 0) targets.push_back({Target::Kind::cuda, gpu.sm, true, {}});
  }
  return targets;
}

TEST_CASE("schedules print and parse back") {
  std::vector<Schedule> all;
  for (int b : {1, 2, 4, 8, 77})
    for (int v : {1, 256, 100000}) {
      all.push_back({HostSchedule{b, v}});
      for (int k : {16, 32}) all.push_back({SimtSchedule{b, v, k}});
      for (int stages : {2, 16})
        for (int m : {1, 4})
          for (int n : {2, 13})
            for (int copy : {2, 16}) all.push_back({MmaSyncSchedule{b, v, stages, m, n, copy}});
      for (int stages : {2, 30})
        for (int n : {1, 3})
          for (int cluster : {1, 2})
            for (int l2 : {64, 256})
              for (int box : {32, 128})
                all.push_back({WgmmaSchedule{b, v, 128, stages, 2, n, cluster, 3 - cluster, l2, box,
                                             l2 == 64 ? 1 : 2}});
    }
  std::set<std::string> texts;
  for (const Schedule& schedule : all) {
    INFO(schedule.str());
    CHECK(Schedule::parse(schedule.str()) == schedule);
    CHECK(schedule.str().starts_with(std::string(schedule.family_name()) + ":"));
    CHECK(texts.insert(schedule.str()).second);
  }
}

TEST_CASE("fields left out of a schedule keep their defaults, in any order") {
  CHECK(Schedule::parse("host") == Schedule{HostSchedule{}});
  CHECK(Schedule::parse("simt:") == Schedule{SimtSchedule{}});
  CHECK(Schedule::parse("host:b2") == Schedule{HostSchedule{2, HostSchedule{}.block_vocab}});
  CHECK(Schedule::parse("mma_sync:warps=2x8,b64").str() == "mma_sync:b64,v256,stages=4,warps=2x8,copy=16");
  CHECK(Schedule::parse("host:b4,v256").str() == "host:b4,v256");
  CHECK(Schedule::parse("simt:b8,v256,k32").str() == "simt:b8,v256,k32");
  CHECK(Schedule::parse("wgmma:b128,wg=2x1,cluster=1x2,l2=256").str() ==
        "wgmma:b128,v128,k64,stages=9,wg=2x1,cluster=1x2,l2=256,box=64");
  CHECK(Schedule::parse("wgmma:turns=1") == Schedule{WgmmaSchedule{}});
  CHECK(Schedule::parse("wgmma:turns=2").str().ends_with(",box=64,turns=2"));
}

TEST_CASE("errors in a schedule's text name the field") {
  struct Bad {
    const char* text;
    const char* message;
  };
  for (const Bad& bad : {
           Bad{"", "unknown family ''; known are host, simt, mma_sync and wgmma"},
           {"tcgen05:b64", "unknown family 'tcgen05'"},
           {"host b4", "unknown family 'host b4'"},
           {"host:x4", "unknown field 'x4'; this family has bN vN"},
           {"host:k16", "unknown field 'k16'; this family has bN vN"},
           {"host:b", "unknown field 'b'"},
           {"host:b4,,v256", "unknown field ''"},
           {"host:b-1", "unknown field 'b-1'"},
           {"host:b0", "field 'b' needs a positive number, found '0'"},
           {"host:b4x", "field 'b' needs a positive number, found '4x'"},
           {"simt:v99999999999", "field 'v' needs a positive number, found '99999999999'"},
           {"simt:stages=4", "unknown field 'stages=4'; this family has bN vN kN"},
           {"mma_sync:stages=", "unknown field 'stages='"},
           {"mma_sync:warps=4", "field 'warps=' needs MxN, e.g. warps=2x1"},
           {"wgmma:cluster=2", "field 'cluster=' needs MxN, e.g. cluster=2x1"},
           {"wgmma:warps=2x1", "this family has bN vN kN stages=N wg=MxN cluster=MxN l2=N box=N turns=N"},
           {"mma_sync:warps=2x", "field 'warps=' needs a positive number, found ''"},
           {"mma_sync:warps=2x0", "field 'warps=' needs a positive number, found '0'"},
           {"mma_sync:copy=16b", "field 'copy=' needs a positive number, found '16b'"},
           {"mma_sync:k16", "unknown field 'k16'; this family has bN vN stages=N warps=MxN copy=N"},
       }) {
    INFO(std::string(bad.text));
    check_error(error_of([&] { Schedule::parse(bad.text); }), ErrorCode::usage,
                {fmt::format("schedule '{}'", bad.text), bad.message});
  }
}

TEST_CASE("every number of a schedule has a row in its family's table") {
  for (const Family* family : families()) {
    INFO(std::string(family->name));
    const Schedule& defaults = family->defaults;
    CHECK(&family_of(defaults) == family);
    CHECK(Schedule::parse(family->name) == defaults);
    CHECK(why_out_of_range(family->fields, defaults).empty());
    std::set<std::string> changed{defaults.str()};
    size_t numbers = 0;
    for (const ScheduleField& field : family->fields) {
      CHECK_FALSE(field.text.empty());
      for (const Member number : {field.first, field.second}) {
        if (number == nullptr) continue;
        ++numbers;
        Schedule other = defaults;
        number(other) += 1;
        CHECK(changed.insert(other.str()).second);
        CHECK(Schedule::parse(other.str()) == other);
      }
    }
    CHECK(std::visit([](const auto& s) { return sizeof(s) / sizeof(int); }, defaults.family) == numbers);
  }
}

TEST_CASE("a search varies the fields that say what it tries") {
  const std::vector<Schedule> all = variants(kMmaSyncFamily.fields, Schedule::parse("mma_sync:copy=4"));
  CHECK(all.size() == 4 * 3 * 3 * 3 * 3);
  CHECK(all[0].str() == "mma_sync:b16,v64,stages=2,warps=1x1,copy=4");
  CHECK(all[1].str() == "mma_sync:b16,v64,stages=4,warps=1x1,copy=4");
  CHECK(all[3].str() == "mma_sync:b16,v64,stages=2,warps=1x2,copy=4");
  CHECK(all.back().str() == "mma_sync:b128,v256,stages=8,warps=4x4,copy=4");
}

TEST_CASE("targets print and parse back") {
  std::set<std::string> texts;
  for (const Target& target : all_targets()) {
    INFO(target.str());
    CHECK(Target::parse(target.str()) == target);
    CHECK(texts.insert(target.str()).second);
    if (target.is_cuda()) CHECK(target.gpu().sm == target.sm);
  }
  CHECK(Target::parse("sm_90a").str() == "sm_90a");
  CHECK(Target::parse("sm_90") != Target::parse("sm_90a"));
  CHECK(Target::parse("host").cpu.empty());
  CHECK(Target::parse("host:znver4").cpu == "znver4");
  for (const char* text : {"", "hos", "host:", "sm_", "sm_60", "sm_80a", "sm_90 ", "sm_090", "cuda"})
    check_error(error_of([&] { Target::parse(text); }), ErrorCode::usage,
                {fmt::format("unknown target '{}'", text), "known are host, host:CPU, sm_70", "sm_90a"});
  CHECK_THROWS_AS((Target{Target::Kind::cuda, 61, false, {}}.gpu()), Error);
}

TEST_CASE("capabilities ascend and make sense") {
  int last = 0;
  for (const GpuCapability& gpu : gpu_capabilities()) {
    CHECK(gpu.sm > last);
    last = gpu.sm;
    CHECK(gpu.async_copy == (gpu.sm >= 80));
    CHECK(gpu.warpgroup_mma == (gpu.sm == 90));
    CHECK(gpu.shared_bytes >= 64 * 1024);
    CHECK(gpu.ptx_version >= 60);
    CHECK((gpu.ptx_version_suffix == 0 || gpu.ptx_version_suffix >= gpu.ptx_version));
  }
}

TEST_CASE("a device runs its own architecture or the newest known below it") {
  for (const GpuCapability& gpu : gpu_capabilities()) {
    const Target target = target_for_device(gpu.sm / 10, gpu.sm % 10);
    CHECK(target.sm == gpu.sm);
    CHECK(target.suffix_a == (gpu.ptx_version_suffix != 0));
  }
  CHECK(target_for_device(9, 0).str() == "sm_90a");
  CHECK(target_for_device(8, 0).str() == "sm_80");
  CHECK(target_for_device(8, 8).str() == "sm_87");
  CHECK(target_for_device(7, 2).str() == "sm_70");
  CHECK(target_for_device(9, 9).str() == "sm_90");  // the suffix is for the architecture itself only
  CHECK(target_for_device(99, 0).sm == gpu_capabilities().back().sm);
  CHECK_FALSE(target_for_device(99, 0).suffix_a);
  check_error(error_of([] { target_for_device(6, 1); }), ErrorCode::device_unavailable,
              {"the GPU is sm_61; gumtile needs sm_70 or later"});
}

const Problem kProblem{151936, 4096, 64, 16};

void check_illegal(const Program& program, const Problem& problem, const Schedule& schedule,
                   const char* target, const std::vector<std::string>& parts) {
  INFO(schedule.str(), " on ", std::string(target));
  check_error(error_of([&] { make_plan(program, problem, schedule, Target::parse(target)); }),
              ErrorCode::usage, parts);
}

TEST_CASE("why a schedule is illegal") {
  const Program bf16 = gemm(DType::bf16, DType::bf16, DType::f32);
  const Program f32 = gemm(DType::bf16, DType::f32, DType::f32);
  const Program loaded = sample_logits({});
  struct Bad {
    const char* schedule;
    const char* target;
    const char* message;
  };
  for (const Bad& bad : {
           Bad{"host", "sm_80", "the host family cannot run on sm_80"},
           {"host:b3", "host", "b3 must be b1, b2 or b4"},
           {"host:v100", "host", "v100 must be a multiple of 256, at most 4096"},
           {"host:v8192", "host", "v8192 must be a multiple of 256"},
           {"simt", "host", "the simt family needs a GPU target"},
           {"simt:b4", "sm_70", "b4 must be b8, b16 or b32"},
           {"simt:v128", "sm_70", "v128 must be v256: four warps of 64 columns"},
           {"simt:k8", "sm_70", "k8 must be k16 or k32"},
           {"mma_sync", "host", "the mma_sync family needs a GPU target"},
           {"mma_sync", "sm_70", "sm_70 has no cp.async; mma_sync needs sm_80 or later"},
           {"mma_sync", "sm_75", "sm_75 has no cp.async"},
           {"mma_sync:b64,warps=4x8,v512", "sm_80", "warps=4x8 are 32 warps; at most 16"},
           {"mma_sync:b24", "sm_80", "b24 must be a multiple of 16 rows a warp (16), at most 256"},
           {"mma_sync:b48,warps=2x4", "sm_80", "b48 must be a multiple of 16 rows a warp (32)"},
           {"mma_sync:b512,warps=4x4", "sm_80",
            "b512 must be a multiple of 16 rows a warp (64), at most 256"},
           {"mma_sync:v128", "sm_80", "v128 must be a multiple of 64 columns a warp (256), at most 512"},
           {"mma_sync:v1024", "sm_80", "v1024 must be a multiple of 64 columns a warp (256), at most 512"},
           {"mma_sync:b128,v256,warps=1x2", "sm_90",
            "a warp's 128 x 128 tile takes 512 accumulator registers a thread; at most 128"},
           {"mma_sync:b128,v256,warps=2x2", "sm_90", "takes 256 accumulator registers"},
           {"mma_sync:stages=1", "sm_80", "stages=1 must lie in 2..16"},
           {"mma_sync:stages=17", "sm_80", "stages=17 must lie in 2..16"},
           {"mma_sync:copy=32", "sm_80", "copy=32 must be 16, 8, 4 or 2"},
           {"mma_sync:stages=3", "sm_86",
            "bytes of shared memory a block, sm_86 has 101376; use fewer stages or smaller tiles"},
           {"mma_sync:stages=7", "sm_90", "sm_90 has 232448; use fewer stages"},
           {"wgmma", "host", "the wgmma family needs a GPU target"},
           {"wgmma", "sm_80", "sm_80 has no wgmma; sm_90a has"},
           {"wgmma", "sm_90", "sm_90 has no wgmma"},
           {"wgmma", "sm_100a", "sm_100a has no wgmma"},
           {"wgmma:wg=2x2,b128,v256", "sm_90a", "wg=2x2,turns=1 are 4 consumer warpgroups; 1 to 3"},
           {"wgmma:turns=3", "sm_90a", "turns=3 must be 1 or 2"},
           {"wgmma:turns=2,wg=2x1,b128", "sm_90a", "wg=2x1,turns=2 are 4 consumer warpgroups; 1 to 3"},
           {"wgmma:b96", "sm_90a", "b96 must be 64 or 128 rows for each of 1 warpgroups"},
           {"wgmma:b384,wg=3x1,v64", "sm_90a", "b384 must be at most b256"},
           {"wgmma:v96", "sm_90a", "v96 must be a multiple of 64 columns a warpgroup (64), at most 256"},
           {"wgmma:v320", "sm_90a", "v320 must be a multiple of 64"},
           {"wgmma:v192,wg=1x2", "sm_90a", "v192 must be a multiple of 64 columns a warpgroup (128)"},
           {"wgmma:k32", "sm_90a", "k32 must be k64 or k128"},
           {"wgmma:b128,v256", "sm_90a",
            "a warpgroup's 128 x 256 tile takes 256 accumulator registers a thread; at most 128"},
           {"wgmma:b192,v256,wg=3x1,stages=2", "sm_90a", "at most 64 with 3 warpgroups"},
           {"wgmma:stages=1", "sm_90a", "stages=1 must lie in 2..32"},
           {"wgmma:cluster=2x2", "sm_90a", "cluster=2x2 must be 1x1, 2x1 or 1x2"},
           {"wgmma:l2=96", "sm_90a", "l2=96 must be 64, 128 or 256"},
           {"wgmma:box=48", "sm_90a", "box=48 must be 32, 64, 128 or 256 and divide v128"},
           {"wgmma:box=256", "sm_90a", "box=256 must be 32, 64, 128 or 256 and divide v128"},
           {"wgmma:stages=10", "sm_90a", "sm_90a has 232448; use fewer stages"},
       })
    check_illegal(bf16, kProblem, Schedule::parse(bad.schedule), bad.target,
                  {fmt::format("schedule '{}'", Schedule::parse(bad.schedule).str()), bad.message});
  check_illegal(f32, kProblem, {MmaSyncSchedule{}}, "sm_80",
                {"f32 operands have no exact tensor core form; use simt"});
  check_illegal(loaded, kProblem, {MmaSyncSchedule{}}, "sm_80",
                {"the Program has no contraction for tensor cores; use simt"});
  for (int alignment : {8, 4, 2}) {
    Problem problem = kProblem;
    problem.weights_alignment = alignment;
    check_illegal(
        bf16, problem, {MmaSyncSchedule{}}, "sm_80",
        {fmt::format("copy=16 needs weights aligned to that; they are aligned to {} bytes", alignment)});
    MmaSyncSchedule fits;
    fits.copy_bytes = alignment;
    fits.stages = 2;
    CHECK_NOTHROW(make_plan(bf16, problem, {fits}, Target::parse("sm_80")));
    check_illegal(bf16, problem, {WgmmaSchedule{}}, "sm_90a",
                  {fmt::format("TMA needs weights aligned to 16 bytes; they are aligned to {}", alignment)});
    // The fallback of the built-in choice, the same for every batch.
    CHECK(default_schedule(bf16, problem, Target::parse("sm_90a")).family_name() == "mma_sync");
  }
}

TEST_CASE("operands that tensor cores would round are refused") {
  ProgramBuilder p("p");
  const Axis row = p.axis("row");
  const Axis col = p.axis("col");
  const Axis k = p.axis("k");
  const Tensor a = p.input("a", DType::bf16, {row, k});
  const Tensor w = p.input("w", DType::f32, {col, k});
  p.tile_output("y", p.contract(a, w, k, DType::bf16));
  check_illegal(p.build(), kProblem, {MmaSyncSchedule{}}, "sm_80",
                {"'w' is f32 but the contraction takes bf16; only the left input is converted on the way"});
}

TEST_CASE("a split that tensor core fragments cut is left to simt") {
  ProgramBuilder p("p");
  const Axis row = p.axis("row");
  const Axis col = p.axis("col");
  const Axis k = p.axis("k");
  const Expr logits = p.contract(p.input("a", DType::bf16, {row, k}), p.input("w", DType::bf16, {col, k}), k);
  const Split split = p.split(col, 0x0f);
  p.output("y", reduce_sum(reduce_max(logits, split.member), split.group));
  const Program program = p.build();
  const Target target = Target::parse("sm_90");
  check_illegal(program, kProblem, {MmaSyncSchedule{}}, "sm_90",
                {"a split with mask 0xf", "masks within 0x39 do not, or use simt"});
  CHECK(default_schedule(program, kProblem, target).family_name() == "simt");
  CHECK(make_plan(program, kProblem, {SimtSchedule{}}, target).fragment.mask == 0x0f);
}

TEST_CASE("the rows that the simt loop keeps in shared memory lie within its stage") {
  const Program program = gemm(DType::bf16, DType::bf16, DType::f32);
  for (const char* text : {"simt:b8,k16", "simt:b32,k32"}) {
    const Schedule schedule = Schedule::parse(text);
    const auto& s = std::get<SimtSchedule>(schedule.family);
    const KernelPlan plan = make_plan(program, kProblem, schedule, Target::parse("sm_80"));
    CHECK(plan.shared_pitch > 4 * s.block_k);
    CHECK(plan.shared_stage == (s.block_rows + s.block_vocab) * plan.shared_pitch);
    CHECK(plan.shared_row_table >= plan.shared_stage);
  }
}

TEST_CASE("extents that make no sense are refused") {
  const Program program = gemm(DType::bf16, DType::bf16, DType::f32);
  struct Bad {
    Problem problem;
    const char* message;
  };
  for (const Bad& bad : {
           Bad{{0, 64, 1, 16}, "0 columns; at least 1"},
           {{-5, 64, 1, 16}, "-5 columns"},
           {{int64_t{1} << 31, 64, 1, 16}, "2147483648 columns; at least 1 and below 2^31 - 256"},
           {{64, 0, 1, 16}, "a contracted extent of 0; at least 1"},
           {{64, int64_t{1} << 31, 1, 16}, "a contracted extent of 2147483648"},
           {{64, 64, 1, 0}, "a weights alignment of 0; a power of two"},
           {{64, 64, 1, 12}, "a weights alignment of 12; a power of two"},
       })
    check_illegal(program, bad.problem, {HostSchedule{}}, "host",
                  {"problem for Program 'gemm'", bad.message});
  CHECK_NOTHROW(make_plan(sample_logits({}), {64, 0, 1, 16}, {HostSchedule{}}, Target::parse("host")));
}

TEST_CASE("the default schedule is legal for every built-in Program on every target") {
  for (const Program& program : built_in_programs())
    for (const Target& target : all_targets())
      for (int64_t rows : {1, 9, 17, 64, 513})
        for (int alignment : {16, 2}) {
          Problem problem{151936, program.contractions.empty() ? 0 : 2880, rows, alignment};
          const Schedule schedule = default_schedule(program, problem, target);
          INFO(program.name, " on ", target.str(), " for ", rows, " rows: ", schedule.str());
          const KernelPlan plan = make_plan(program, problem, schedule, target);
          CHECK(plan.launch.columns_per_unit > 0);
          CHECK(plan.launch.rows_per_block > 0);
          if (target.is_cuda()) CHECK(plan.shared_bytes <= target.gpu().shared_bytes);
        }
}

TEST_CASE("the default schedule follows the Program and the target") {
  const auto family = [](const Program& program, const char* target) {
    return std::string(default_schedule(program, kProblem, Target::parse(target)).family_name());
  };
  const Program head = lm_head_sample({});
  CHECK(family(head, "host") == "host");
  CHECK(family(head, "sm_70") == "simt");
  CHECK(family(head, "sm_80") == "mma_sync");
  CHECK(family(head, "sm_90") == "mma_sync");
  CHECK(family(head, "sm_90a") == "wgmma");
  CHECK(family(head, "sm_100a") == "mma_sync");
  CHECK(family(lm_head_sample({NoiseScheme::grouped, DType::f32, DType::f32, true}), "sm_90") == "simt");
  CHECK(family(sample_logits({}), "sm_90") == "simt");
}

TEST_CASE("cards of one architecture get different schedules") {
  const Card h100{132, 3.35e12};
  const Card h200{132, 4.9e12};
  for (int64_t rows : {1, 64, 128, 512}) {
    const Problem problem{151936, 4096, rows, 16};
    const auto promotion = [&](const Card& card) {
      const Schedule s = default_schedule(lm_head_sample({}), problem, Target::parse("sm_90a"), card);
      return std::get<WgmmaSchedule>(s.family).l2_promotion;
    };
    CHECK(promotion(h100) == 256);
    CHECK(promotion(h200) == 128);
  }
  const auto choice = [&](int64_t columns, int64_t rows) {
    const Problem problem{columns, 4096, rows, 16};
    return std::get<WgmmaSchedule>(
        default_schedule(lm_head_sample({}), problem, Target::parse("sm_90a"), h200).family);
  };
  // A pair along the rows only if no block of it would be left without rows.
  CHECK(choice(151936, 256).cluster_m == 2);
  CHECK(choice(151936, 384).cluster_m == 1);
  CHECK(choice(151936, 512).cluster_m == 2);
  // Narrower tiles for a vocabulary that would leave most multiprocessors idle.
  CHECK(choice(151936, 1).block_vocab == 128);
  CHECK(choice(4000, 1).block_vocab == 64);
  // A shard of 16032 columns: 126 tiles of 128, or two blocks of rows times 63 of 256, fill 132
  // multiprocessors once; three times 63 would leave half of them idle the second time.
  CHECK(choice(16032, 256).block_vocab == 256);
  CHECK(choice(16032, 384).block_vocab == 192);
  CHECK(choice(16032, 512).block_vocab == 256);
  CHECK(choice(151936, 384).block_vocab == 256);
  CHECK(choice(16032, 64).warpgroups_n == 2);
  CHECK(choice(16032, 0) == choice(16032, 1));
  CHECK(choice(16032, 64).cluster_n == 1);
  CHECK(choice(151936, 64).warpgroups_n == 1);
}

TEST_CASE("the schedule space holds legal schedules, and not too many") {
  const Program head = lm_head_sample({});
  for (const char* target : {"host", "sm_70", "sm_80", "sm_90a"})
    for (int64_t rows : {1, 100, 500}) {
      const Problem problem{151936, 4096, rows, 16};
      const std::vector<Schedule> space = schedule_space(head, problem, Target::parse(target));
      INFO(std::string(target), " ", rows, ": ", space.size());
      std::map<std::string_view, int> families;
      std::set<std::string> texts;
      for (const Schedule& schedule : space) {
        ++families[schedule.family_name()];
        CHECK(texts.insert(schedule.str()).second);
        CHECK_NOTHROW(make_plan(head, problem, schedule, Target::parse(target)));
      }
      CHECK(families[default_schedule(head, problem, Target::parse(target)).family_name()] > 0);
      CHECK(families["wgmma"] <= 200);
    }
}

TEST_CASE("a plan knows which states an atomic operation can join") {
  const auto join = [](const Program& program) {
    return make_plan(program, kProblem, {SimtSchedule{}}, Target::parse("sm_80")).join;
  };
  for (NoiseScheme noise : {NoiseScheme::per_token, NoiseScheme::grouped}) {
    CHECK(join(lm_head_sample({noise, DType::bf16, DType::bf16, false})) == Join::packed);
    CHECK(join(lm_head_sample({noise, DType::bf16, DType::bf16, true})) == Join::records);
  }
  CHECK(join(greedy_argmax(DType::bf16, DType::bf16)) == Join::packed);
  CHECK(join(cross_entropy(DType::bf16, DType::bf16)) == Join::records);
  // An argmax that carries more than its index does not fit a word, and a sum may not be joined in any order.
  ProgramBuilder p("p");
  const Axis batch = p.axis("batch"), vocab = p.axis("vocab"), hidden = p.axis("hidden");
  const Expr x = p.contract(p.input("h", DType::bf16, {batch, hidden}),
                            p.input("w", DType::bf16, {vocab, hidden}), hidden);
  p.output("carried", argmax(x, vocab.index(), vocab, {x}).carry[0]);
  CHECK(join(p.build()) == Join::records);
}

TEST_CASE("a range of columns is shared out in whole global blocks") {
  const Program head = lm_head_sample({});
  Problem problem{1000, 64, 64, 16};
  problem.first_column = 16032;  // 250.5 blocks of 64
  const KernelPlan plan =
      make_plan(head, problem, Schedule::parse("wgmma:b64,v128"), Target::parse("sm_90a"));
  CHECK(plan.launch.columns_per_unit == 128);
  CHECK(plan.launch.first_unit_column() == 16000);
  CHECK(plan.launch.units() == 9);  // 16000 to 17152, of which 16032 to 17032 are the range
  CHECK_FALSE(plan.tiles_are_whole());
  problem.first_column = 16128;
  problem.columns = 1024;
  const KernelPlan whole =
      make_plan(head, problem, Schedule::parse("wgmma:b64,v128"), Target::parse("sm_90a"));
  CHECK(whole.launch.units() == 8);
  CHECK(whole.tiles_are_whole());
  problem.first_column = -1;
  check_illegal(head, problem, {WgmmaSchedule{}}, "sm_90a",
                {"columns -1 to 1023; they must lie in 0 to 2^31 - 256"});
  problem.first_column = 0x7fffff00;
  check_illegal(head, problem, {WgmmaSchedule{}}, "sm_90a", {"they must lie in 0 to 2^31 - 256"});
}

TEST_CASE("a plan says what matters") {
  const Program program = lm_head_sample({NoiseScheme::grouped, DType::f32, DType::bf16, true});
  const Schedule schedule = Schedule::parse("mma_sync:b64,v256,stages=4,warps=2x4,copy=8");
  const KernelPlan plan = make_plan(program, kProblem, schedule, Target::parse("sm_90a"));
  const std::string text = plan.str();
  INFO(text);
  for (const std::string& part :
       {"plan " + schedule.str() + " for lm_head_sample on sm_90a",
        std::string("151936 columns, 4096 contracted"), std::string("weights aligned to 16 bytes"),
        "workload: " + workload_of(program).str() + "\n",
        std::string("256 columns and 64 rows; 594 units of 256 columns to share out"),
        std::string("column mask 0x39"), std::string("row table:"), std::string("record:"),
        std::string(" argmax\n"), std::string(" or\n"), std::string(" logsumexp\n"),
        std::string("256 threads"), fmt::format("{} bytes of shared memory", plan.shared_bytes)})
    CHECK_MESSAGE(text.find(part) != std::string::npos, part);
  CHECK(plan.launch.threads == 256);
  CHECK(plan.launch.must_stage);  // f32 hidden states
  CHECK(plan.launch.staged_dtype == DType::bf16);
  CHECK(plan.launch.units() == 594);
  CHECK(plan.launch.contraction_left >= 0);
  CHECK(plan.launch.inputs.size() == program.inputs.size());
  CHECK(plan.launch.outputs.size() == program.outputs.size());
  CHECK(plan.fragment.rows == 4);
  CHECK(plan.fragment.blocks == 1);
  CHECK(plan.program == program);
  const KernelPlan host = make_plan(program, kProblem, {HostSchedule{}}, Target::parse("host"));
  CHECK(host.str().find("shared memory") == std::string::npos);
  const KernelPlan tiles = make_plan(gemm(DType::bf16, DType::bf16, DType::f16), kProblem, {HostSchedule{}},
                                     Target::parse("host"));
  CHECK(tiles.launch.finish.empty());  // there is nothing to finish
  CHECK(tiles.record_words == 0);
}

TEST_CASE("where rows may be gathered every family can stage them") {
  const Program head = lm_head_sample({});
  const Program plain = greedy_argmax(DType::bf16, DType::bf16);
  for (const auto& [target, schedule] : {std::pair<const char*, const char*>{"sm_75", "simt:b8"},
                                         {"sm_80", "mma_sync:b16,v256"},
                                         {"sm_90a", "wgmma:b64,v128"}}) {
    const auto launch = [&](const Program& program) {
      return make_plan(program, kProblem, Schedule::parse(schedule), Target::parse(target)).launch;
    };
    const LaunchSpec gathers = launch(head);
    INFO(schedule);
    REQUIRE(gathers.left_index >= 0);
    CHECK(gathers.inputs[static_cast<size_t>(gathers.left_index)].name == "hidden_index");
    CHECK_FALSE(gathers.stage.empty());
    CHECK_FALSE(gathers.must_stage);
    CHECK(gathers.staged_bytes(3) >= 3 * kProblem.contracted * 2);
    CHECK(launch(plain).left_index == -1);
    CHECK(launch(plain).stage.empty() == (schedule == std::string("simt:b8")));
  }
  // Rows of simt are staged in their own type, whatever the type of the product.
  const Program wide = lm_head_sample({NoiseScheme::grouped, DType::f16, DType::f32, true});
  const KernelPlan plan = make_plan(wide, kProblem, Schedule::parse("simt:b8"), Target::parse("sm_75"));
  CHECK(plan.launch.staged_dtype == DType::f16);
  CHECK(plan.launch.staged_stride == kProblem.contracted);
}

TEST_CASE("a schedule made by hand with extents below 1 is refused") {
  const Program program = gemm(DType::bf16, DType::bf16, DType::f32);
  for (int bad : {0, -256}) {
    check_illegal(program, kProblem, {HostSchedule{4, bad}}, "host", {fmt::format("v{}", bad)});
    check_illegal(program, kProblem, {MmaSyncSchedule{16, bad, 2, 1, 4, 16}}, "sm_80",
                  {fmt::format("v{}", bad)});
    check_illegal(program, kProblem, {MmaSyncSchedule{bad, 256, 2, 1, 4, 16}}, "sm_80",
                  {fmt::format("b{}", bad)});
  }
  for (int bad : {0, -1}) {
    check_illegal(program, kProblem, {MmaSyncSchedule{16, 256, 2, bad, 4, 16}}, "sm_80",
                  {fmt::format("warps={}x4", bad)});
    check_illegal(program, kProblem, {MmaSyncSchedule{16, 256, 2, 1, bad, 16}}, "sm_80",
                  {fmt::format("warps=1x{}", bad)});
  }
}

}  // namespace
}  // namespace gumtile::test
