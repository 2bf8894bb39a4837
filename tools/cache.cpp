#include <fmt/format.h>

#include <memory>
#include <string>

#include "gumtile/error.h"
#include "gumtile/module_cache.h"
#include "tools/command.h"
#include "tools/help.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/units.h"

namespace gumtile::tools {
namespace {

struct Options {
  std::string folder;
  std::string format;
  bool dry_run = false;
};

/// The cache of a command line, and its last warning.
class OpenedCache {
 public:
  /// Throws Error(io) if the folder is not safe to use.
  explicit OpenedCache(const Options& options) : cache_(cache_options(options)) {
    if (cache_.folder().empty()) throw Error(ErrorCode::io, warning_);
  }

  ModuleCache& operator*() { return cache_; }
  ModuleCache* operator->() { return &cache_; }
  const std::string& warning() const { return warning_; }

 private:
  ModuleCacheOptions cache_options(const Options& options) {
    ModuleCacheOptions result;
    result.folder = options.folder;
    result.log = [this](LogLevel, std::string_view message) { warning_ = message; };
    return result;
  }

  std::string warning_;  // before the cache, which may warn while it is opened
  ModuleCache cache_;
};

int stats(const Options& options) {
  OpenedCache cache(options);
  const ModuleCacheContents found = cache->contents();
  if (options.format == "json") {
    const Json json = {{"folder", cache->folder().string()},
                       {"entries", found.entries},
                       {"bytes", found.bytes},
                       {"leftovers", found.leftovers},
                       {"max_bytes", ModuleCacheOptions().max_bytes}};
    write_stdout(json_text(json));
    return 0;
  }
  write_stdout(to_text({{"entries", "size", "leftovers", "folder"},
                        {{std::to_string(found.entries), bytes_text(found.bytes),
                          std::to_string(found.leftovers), cache->folder().string()}}}));
  return 0;
}

int clear(const Options& options) {
  OpenedCache cache(options);
  const ModuleCacheContents removed = cache->clear(options.dry_run);
  write_stdout(fmt::format("{} {} ({}) and {} in {}\n", options.dry_run ? "would remove" : "removed",
                           count_text(removed.entries, "entry", "entries"), bytes_text(removed.bytes),
                           count_text(removed.leftovers, "leftover file"), cache->folder().string()));
  if (!cache.warning().empty()) throw Error(ErrorCode::cannot_create, cache.warning());
  return 0;
}

}  // namespace

Action add_cache(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.require_subcommand(1);
  const auto add = [&](const char* name, const char* description) {
    CLI::App* command = app.add_subcommand(name, description);
    add_text(*command, "--folder", options->folder, "DIR",
             "the cache's folder (default: $GUMTILE_CACHE_DIR, else $XDG_CACHE_HOME/gumtile, else "
             "~/.cache/gumtile)")
        ->check(not_empty("a folder"));
    return command;
  };
  CLI::App* show = add("stats", "Show how many compiled kernels are kept, and where");
  add_format(*show, options->format, {"table", "json"});
  show->footer(examples({"gumtile cache stats", "gumtile cache stats --format json"}));
  CLI::App* remove = add("clear", "Remove all compiled kernels and what interrupted writers left");
  remove->add_flag("--dry-run", options->dry_run, "only say what would be removed");
  remove->footer(examples({"gumtile cache clear --dry-run", "gumtile cache clear"}));
  return [options, show] { return show->parsed() ? stats(*options) : clear(*options); };
}

}  // namespace gumtile::tools
