#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace gumtile::cache {

/// The steps of a publication. Tests end the process at each.
enum class PublishStep : uint8_t { created, partly_written, written, synced, published };
using PublishHook = std::function<void(PublishStep)>;

/// Makes `bytes` the content of the file `name` in `folder`, atomically: written to a temporary file there,
/// which takes the name when all of it is on the disk. A process that has the previous file open keeps that.
/// Returns 0, or the errno of the failure, after which there is no temporary file. `hook`: for tests, called
/// after each step.
int publish(int folder, const std::string& name, std::string_view bytes, const PublishHook& hook = {});

}  // namespace gumtile::cache
