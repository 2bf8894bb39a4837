#include "gumtile/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <vector>

#include "gumtile/error.h"

namespace gumtile {
namespace {

[[noreturn]] void fail(std::string_view schedule, const std::string& message) {
  throw Error(ErrorCode::usage, fmt::format("schedule '{}': {}", schedule, message));
}

int number(std::string_view schedule, std::string_view field, std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value <= 0)
    fail(schedule, fmt::format("field '{}' needs a positive number, found '{}'", field, text));
  return value;
}

/// One field of a family: its prefix in the text ("b", "stages=") and what reads its value.
struct Field {
  std::string_view prefix;
  std::function<void(std::string_view value)> read;
  bool pair = false;  ///< two numbers: "2x4"
};

void read_fields(std::string_view schedule, std::string_view text, const std::vector<Field>& fields) {
  std::vector<std::string_view> seen;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    bool known = false;
    for (const Field& field : fields) {
      const bool digit = part.size() > field.prefix.size() && part[field.prefix.size()] >= '0' &&
                         part[field.prefix.size()] <= '9';
      if (!part.starts_with(field.prefix) || !digit) continue;
      if (std::find(seen.begin(), seen.end(), field.prefix) != seen.end())
        fail(schedule, fmt::format("field '{}' is given twice", field.prefix));
      seen.push_back(field.prefix);
      field.read(part.substr(field.prefix.size()));
      known = true;
      break;
    }
    if (!known) {
      std::string names;
      for (const Field& field : fields) names += fmt::format(" {}{}", field.prefix, field.pair ? "MxN" : "N");
      fail(schedule, fmt::format("unknown field '{}'; this family has{}", part, names));
    }
  }
}

}  // namespace

std::string_view Schedule::family_name() const {
  constexpr std::string_view names[] = {"host", "simt", "mma_sync", "wgmma"};
  return names[family.index()];
}

std::string Schedule::str() const {
  struct Visitor {
    std::string operator()(const HostSchedule& s) const {
      return fmt::format("host:b{},v{}", s.block_batch, s.block_vocab);
    }
    std::string operator()(const SimtSchedule& s) const {
      return fmt::format("simt:b{},v{},k{}", s.block_batch, s.block_vocab, s.block_k);
    }
    std::string operator()(const MmaSyncSchedule& s) const {
      return fmt::format("mma_sync:b{},v{},stages={},warps={}x{},copy={}", s.block_batch, s.block_vocab,
                         s.stages, s.warps_m, s.warps_n, s.copy_bytes);
    }
    std::string operator()(const WgmmaSchedule& s) const {
      return fmt::format("wgmma:b{},v{},k{},stages={},wg={}x{},cluster={}x{},l2={},box={}", s.block_batch,
                         s.block_vocab, s.block_k, s.stages, s.warpgroups_m, s.warpgroups_n, s.cluster_m,
                         s.cluster_n, s.l2_promotion, s.box_rows) +
             (s.turns != 1 ? fmt::format(",turns={}", s.turns) : "");
    }
  };
  return std::visit(Visitor{}, family);
}

Schedule Schedule::parse(std::string_view text) {
  const size_t colon = std::min(text.find(':'), text.size());
  const std::string_view family = text.substr(0, colon);
  const std::string_view rest = colon < text.size() ? text.substr(colon + 1) : std::string_view();
  auto to = [text](std::string_view field, int& out) {
    return Field{field, [text, field, &out](std::string_view value) { out = number(text, field, value); }};
  };
  auto pair = [text](std::string_view field, int& m, int& n) {
    return Field{field,
                 [text, field, &m, &n](std::string_view value) {
                   const size_t x = value.find('x');
                   if (x == std::string_view::npos)
                     fail(text, fmt::format("field '{0}' needs MxN, e.g. {0}2x1", field));
                   m = number(text, field, value.substr(0, x));
                   n = number(text, field, value.substr(x + 1));
                 },
                 true};
  };
  if (family == "host") {
    HostSchedule s;
    read_fields(text, rest, {to("b", s.block_batch), to("v", s.block_vocab)});
    return {s};
  }
  if (family == "simt") {
    SimtSchedule s;
    read_fields(text, rest, {to("b", s.block_batch), to("v", s.block_vocab), to("k", s.block_k)});
    return {s};
  }
  if (family == "mma_sync") {
    MmaSyncSchedule s;
    read_fields(text, rest,
                {to("b", s.block_batch), to("v", s.block_vocab), to("stages=", s.stages),
                 pair("warps=", s.warps_m, s.warps_n), to("copy=", s.copy_bytes)});
    return {s};
  }
  if (family == "wgmma") {
    WgmmaSchedule s;
    read_fields(text, rest,
                {to("b", s.block_batch), to("v", s.block_vocab), to("k", s.block_k), to("stages=", s.stages),
                 pair("wg=", s.warpgroups_m, s.warpgroups_n), pair("cluster=", s.cluster_m, s.cluster_n),
                 to("l2=", s.l2_promotion), to("box=", s.box_rows), to("turns=", s.turns)});
    return {s};
  }
  fail(text, fmt::format("unknown family '{}'; known are host, simt, mma_sync and wgmma", family));
}

}  // namespace gumtile
