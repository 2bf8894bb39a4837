#pragma once

#include <cstddef>
#include <functional>

namespace gumtile::engine {

/// Runs `task(i)` for i from 0 to `tasks` - 1 on up to `threads` threads of its own, or on the calling one
/// where the system starts none. `progress(done)` is called on the calling thread whenever tasks are done;
/// `false` ends the work early, after which it is not called again. Returns whether it never said so; throws
/// what the first task to fail, or `progress`, threw. No task runs any more when it returns or throws.
bool run_in_parallel(size_t tasks, int threads, const std::function<void(size_t)>& task,
                     const std::function<bool(size_t done)>& progress);

}  // namespace gumtile::engine
