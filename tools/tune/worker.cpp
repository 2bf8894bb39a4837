#include "tools/tune/worker.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "gumtile/error.h"
#include "tools/command.h"

namespace gumtile::tools {

void answer(const Json& message) { write_stdout(json_text(message, -1)); }

bool has_fault(const Json& request, std::string_view kind) {
  const auto found = request.find("fault");
  return found != request.end() && *found == kind;
}

void obey_fault(const Json& request) {
  if (has_fault(request, "abort")) std::abort();
  if (has_fault(request, "garbage")) write_stdout("neither a word nor a number\n");
  while (has_fault(request, "hang")) std::this_thread::sleep_for(std::chrono::seconds(1));
}

Action add_worker(CLI::App& app) {
  app.group("");  // not for users
  auto role = std::make_shared<std::string>();
  app.add_option("role", *role)->required()->check(CLI::IsMember({"compile", "measure"}));
  auto folder = std::make_shared<std::string>();
  app.add_option("folder", *folder)->required();
  return [role, folder] {
    // A worker that hangs must not outlive a tuner that was killed.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == 1) return static_cast<int>(ErrorCode::internal);
    // Files that a killed compiler leaves are removed with the folder.
    setenv("TMPDIR", folder->c_str(), 1);
    return *role == "compile" ? run_compile_worker(*folder) : run_measure_worker(*folder);
  };
}

}  // namespace gumtile::tools
