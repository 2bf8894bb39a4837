#pragma once

#include <string>

#include "plan/family.h"
#include "plan/mma_atoms.h"

/// What families that multiply on tensor cores share.
namespace gumtile {

/// Why no atom of a kind can take the Program's contraction on any target; empty if one can.
std::string why_no_atom(const PlanInput& input, MmaKind kind);

/// The atom for a contraction that `why_no_atom` allows.
const MmaAtom& atom_of(const Program& program, const ProgramAnalysis& analysis, MmaKind kind);

/// Lays out the left operand, which is read as it is if its type and its alignment allow it, and else
/// converted into the workspace.
void stage_left_operand(KernelPlan& plan);

}  // namespace gumtile
