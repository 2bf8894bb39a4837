#pragma once

#include <string>
#include <string_view>

#include "gumtile/tuning.h"

namespace gumtile::tune {

struct ReadRecord {
  TuningRecord record;
  bool is_of_0_1 = false;  ///< the text is gumtile 0.1's: its Program was named by a digest
};

/// What `parse_tuning_record` does, and which format the text has.
ReadRecord read_tuning_record(std::string_view text, const std::string& source);

}  // namespace gumtile::tune
