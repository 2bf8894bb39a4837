#include "plan/families/tensor_cores.h"

#include <fmt/format.h>

namespace gumtile {

std::string why_no_atom(const PlanInput& input, MmaKind kind) {
  const Program& program = input.program;
  if (input.analysis.contraction == kNone) return "the Program has no contraction for tensor cores; use simt";
  const ContractionInfo& c = program.contractions[input.analysis.contraction];
  if (c.operand_dtype == DType::f32) return "f32 operands have no exact tensor core form; use simt";
  if (program.inputs[c.right].dtype != c.operand_dtype)
    return fmt::format("'{}' is {} but the contraction takes {}; only the left input is converted on the way",
                       program.inputs[c.right].name, name(program.inputs[c.right].dtype),
                       name(c.operand_dtype));
  if (find_atom(kind, c.operand_dtype, c.operand_dtype) == nullptr)
    return fmt::format("no tensor core instruction of this family multiplies {}; use simt",
                       name(c.operand_dtype));
  if ((input.analysis.member_mask & ~kTensorCoreMask) != 0)
    return fmt::format(
        "a split with mask {:#x} puts a group in several threads; masks within {:#x} do not, or use simt",
        input.analysis.member_mask, kTensorCoreMask);
  return "";
}

const MmaAtom& atom_of(const Program& program, const ProgramAnalysis& analysis, MmaKind kind) {
  const DType operand = program.contractions[analysis.contraction].operand_dtype;
  return *find_atom(kind, operand, operand);
}

void stage_left_operand(KernelPlan& plan) {
  const ContractionInfo& c = plan.program.contractions[plan.analysis->contraction];
  LaunchSpec& launch = plan.launch;
  plan.stages_left = true;
  launch.stage = plan.name + "_stage";
  launch.must_stage = plan.program.inputs[c.left].dtype != c.operand_dtype;
  launch.staged_dtype = c.operand_dtype;
  launch.left_alignment = 16;
  const auto elements = launch.left_alignment / static_cast<int64_t>(size_bytes(c.operand_dtype));
  launch.staged_stride = (plan.problem.contracted + elements - 1) / elements * elements;
}

}  // namespace gumtile
