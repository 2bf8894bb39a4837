#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gumtile/tuning.h"
#include "tools/tune/problem.h"

/// Tuning records for tests, of cards that need not be present.
namespace gumtile::test {

namespace fs = std::filesystem;
using tools::MeasuredHead;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "gumtile-tune-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_file(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline DeviceDescription h100() {
  return {"NVIDIA H100 80GB HBM3", "cuda:0", Target::parse("sm_90a"), 132, size_t{80} << 30, 3.352e12};
}
inline DeviceDescription h200() {
  return {"NVIDIA H200", "cuda:0", Target::parse("sm_90a"), 132, size_t{141} << 30, 4.8e12};
}

inline MeasuredHead head_of(int64_t vocab, int64_t hidden) {
  MeasuredHead head;
  head.vocab_size = vocab;
  head.hidden_size = hidden;
  return head;
}

/// A key of a problem without a shipped record.
inline TuningKey key_on(const DeviceDescription& device, int64_t rows = 16) {
  const MeasuredHead head = head_of(151935, 4096);
  return tuning_key(device, tools::program_of(head), tools::problem_of(head, rows));
}

inline const std::string kHeuristic = Schedule{WgmmaSchedule{}}.str();
inline const std::string kFaster = Schedule::parse("wgmma:b64,v256,stages=4").str();

inline TuningRecord record_of(const TuningKey& key) {
  TuningRecord record;
  record.key = key;
  record.winner = kFaster;
  record.candidates = {
      {kHeuristic, 300.25, 299.5, 301, ""},
      {kFaster, 290.5, 290, 291.125, ""},
      {"wgmma:b64,v64,k64,stages=9,wg=1x1,cluster=1x1,l2=128,box=64", 0, 0, 0, "other tokens \"x\""}};
  record.heuristic = kHeuristic;
  record.gumtile_version = "0.1.0";
  record.compiler = "LLVM 22";
  record.driver = "13.0";
  record.date = "2026-01-02T03:04:05Z";
  return record;
}

}  // namespace gumtile::test
