#include "runtime/tune/digests_0_1.h"

#include <fmt/format.h>

#include <array>
#include <string>

namespace gumtile::tune {
namespace {

constexpr std::array<std::string_view, 3> kTypes = {"bf16", "f16", "f32"};

/// Heads that differ only in types.
struct Kind {
  std::string_view rest;  ///< the text of their classes, after the types
  /// For hidden states of the first type with weights of each type, then for the second type, and so on.
  std::array<std::string_view, kTypes.size() * kTypes.size()> digests;
};

constexpr std::array<Kind, 4> kKinds = {{
    // grouped noise, without log-probabilities
    {"sweeps=1,join=packed,words=3,bound=group,loads=0,stores=0,transcendental=19",
     {"fbcb2c73b5f47b8d7655b5b8c70e32d2", "b16bd9e80b6880bd02787401353b090d",
      "459b778ce16631f690aae121894d9494", "979e58a04a45abc96fec89efee1fd4b6",
      "6bb761d897caf23962356f954125ace2", "9fa6436e9be3a013aefefe11f1218846",
      "899a8c284df9fb70093367db37a6d3e0", "89454e0d546651738057feab639127c1",
      "a0e272bf18d54541ea9048e483d2ecce"}},
    // grouped noise, with log-probabilities
    {"sweeps=1,join=records,words=6,bound=group,loads=0,stores=0,transcendental=35",
     {"49780bd8b510f129a5367c382fa573f3", "d6a6d9d5c3c7f0eed990f001afb29137",
      "87a1386a89aa390e68a1e3b87c6a071c", "112497cc22529c4f888f1e9e9c731fc9",
      "ca6ec2c23cafe95072ffc73cdba51538", "8cf9d8820000267ef522f64b2c70fb94",
      "3ffe1c5f90180d0d29334dcd2ce9f7fe", "be32cef9587b0b75f315158254a840c1",
      "22805e9eaa2b9fd47f33d2907a1971a8"}},
    // per_token noise, without log-probabilities
    {"sweeps=1,join=packed,words=3,bound=element,loads=0,stores=0,transcendental=32",
     {"270f5e303be866ce574cded4a9ebc7fd", "18aa73d98e9212526a731d672bf495a2",
      "d1839cc36523823f7a722961746149d4", "75278b83825c1e975098057d7b96df53",
      "bbf14b3ed19635b41daf49cf7f3e066f", "4e85f886863ad564b097567ef9d9a1b5",
      "49d6e9f31249c607a6e45c0367fbd352", "597fc71478dd99f803533fd176afb3a0",
      "55530b7e22a41a9ec007d2876be097e3"}},
    // per_token noise, with log-probabilities
    {"sweeps=1,join=records,words=6,bound=element,loads=0,stores=0,transcendental=48",
     {"51027fb27dd4278edcfd9132888e28ed", "d53110b6cfe0827faa49ab2a7d15b852",
      "039445eb64b50f89d71095f9a3f7cf59", "d689fbed1911d1ed1a5dd216651ad8d3",
      "2016475b1502a23810d7a70a894b047d", "e94c0529ec8ea93600ce6b55bb2fdad5",
      "3d99a1687412257227aa5288f96a8b33", "a7d194c3c25582839bb19a6e54bc9e24",
      "258d03b5f9ec497af1220ed4ff600629"}},
}};

std::string class_text(const Kind& kind, size_t index) {
  const std::string_view hidden = kTypes[index / kTypes.size()];
  const std::string_view weights = kTypes[index % kTypes.size()];
  return fmt::format("left={},right={},operands={},{}", hidden, weights, weights, kind.rest);
}

}  // namespace

std::optional<Workload> workload_of_digest(std::string_view digest) {
  for (const Kind& kind : kKinds)
    for (size_t i = 0; i < kind.digests.size(); ++i)
      if (kind.digests[i] == digest) return Workload::parse(class_text(kind, i));
  return std::nullopt;
}

std::optional<std::string_view> digest_of_workload(const Workload& workload) {
  const std::string text = workload.str();
  for (const Kind& kind : kKinds)
    for (size_t i = 0; i < kind.digests.size(); ++i)
      if (class_text(kind, i) == text) return kind.digests[i];
  return std::nullopt;
}

}  // namespace gumtile::tune
