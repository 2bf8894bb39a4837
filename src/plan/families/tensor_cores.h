#pragma once

#include <string>

#include "plan/family.h"

/// What families that multiply on tensor cores share.
namespace gumtile {

/// Why tensor cores cannot take the Program's contraction on any target; empty if they can.
std::string why_no_tensor_cores(const PlanInput& input);

/// Lays out the left operand, which is read as it is if its type and its alignment allow it, and else
/// converted into the workspace.
void stage_left_operand(KernelPlan& plan);

}  // namespace gumtile
