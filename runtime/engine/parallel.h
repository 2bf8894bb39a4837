#pragma once

#include <cstddef>
#include <functional>

namespace gumtile::engine {

/// Runs `task(i)` for i from 0 to `tasks` - 1 on up to `threads` new threads, or on the calling one if the
/// system starts none. `progress(done)` is called on the calling thread whenever tasks are done; `false` ends
/// the work early, after which it is not called again. Returns false if `progress` ended the work; rethrows
/// the exception of the first task that failed, or of `progress`. No task runs any more when it returns or
/// throws.
bool run_in_parallel(size_t tasks, int threads, const std::function<void(size_t)>& task,
                     const std::function<bool(size_t done)>& progress);

}  // namespace gumtile::engine
