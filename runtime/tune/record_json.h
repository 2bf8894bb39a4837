#pragma once

#include <string>
#include <string_view>

#include "gumtile/tuning.h"

namespace gumtile::tune {

struct ReadRecord {
  TuningRecord record;
  bool is_of_0_1 = false;  ///< the text is from gumtile 0.1, with its Program named by a digest
};

/// As `parse_tuning_record`; also says which format the text has.
ReadRecord read_tuning_record(std::string_view text, const std::string& source);

}  // namespace gumtile::tune
