#pragma once

#include <doctest/doctest.h>

#include <string>

#include "gumtile/tuning.h"

namespace gumtile::test {

/// `text` with `from` replaced by `to`.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

/// A record as gumtile 0.1 wrote it, for the Program with this digest.
inline std::string text_of_0_1(const TuningRecord& record, const std::string& digest) {
  const std::string text = replaced(tuning_record_text(record), "gumtile tuning 2", "gumtile tuning 1");
  return replaced(text, "\"workload\": \"" + record.key.workload.str(), "\"program\": \"" + digest);
}

}  // namespace gumtile::test
