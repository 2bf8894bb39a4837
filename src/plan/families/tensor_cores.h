#pragma once

#include <string>

#include "plan/family.h"
#include "plan/mma_atoms.h"

/// Shared by the families that multiply on tensor cores. An atom is one tensor core instruction (see
/// MmaAtom).
namespace gumtile {

/// Why no atom of a kind can compute the Program's contraction on any target; empty if one can.
std::string why_no_atom(const PlanInput& input, MmaKind kind);

/// The atom for a contraction that `why_no_atom` allows.
const MmaAtom& atom_of(const Program& program, const ProgramAnalysis& analysis, MmaKind kind);

/// Lays out the left operand, which is read in place if its type and alignment allow it; otherwise it is
/// converted into the workspace.
void stage_left_operand(KernelPlan& plan);

}  // namespace gumtile
