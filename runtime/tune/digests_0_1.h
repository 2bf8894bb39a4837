#pragma once

#include <optional>
#include <string_view>

#include "gumtile/workload.h"

/// The records of gumtile 0.1 name a Program by its digest. These are the digests of all heads that its tuner
/// searched for.
namespace gumtile::tune {

/// The class of the head with this digest; empty for any other digest.
std::optional<Workload> workload_of_digest(std::string_view digest);

/// The inverse: no two of these heads share a class.
std::optional<std::string_view> digest_of_workload(const Workload& workload);

}  // namespace gumtile::tune
