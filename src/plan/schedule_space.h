#pragma once

#include <vector>

#include "plan/family.h"

namespace gumtile {

/// Collects legal schedules for an input.
class ScheduleSpace {
 public:
  explicit ScheduleSpace(const PlanInput& input) : input_(input) {}

  const PlanInput& input() const { return input_; }
  bool is_legal(const Schedule& schedule) const;
  /// Adds a schedule if it is legal.
  void add(const Schedule& schedule) {
    if (is_legal(schedule)) schedules_.push_back(schedule);
  }
  const std::vector<Schedule>& schedules() const { return schedules_; }

 private:
  PlanInput input_;
  std::vector<Schedule> schedules_;
};

}  // namespace gumtile
