#include <fmt/format.h>

#include <memory>
#include <string>

#include "gumtile/error.h"
#include "gumtile/module_cache.h"
#include "tools/command.h"
#include "tools/output.h"

namespace gumtile::tools {
namespace {

struct Options {
  std::string folder;
  std::string format = "table";
  bool dry_run = false;
};

/// The cache of a command line, and what it warned of last.
class OpenedCache {
 public:
  /// Throws Error(io) where the folder is one that is not used.
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

  std::string warning_;  // before the cache, which may warn when it is opened
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
    write_stdout(json.dump(2) + "\n");
    return 0;
  }
  write_stdout(to_text({{"entries", "bytes", "leftovers", "folder"},
                        {{std::to_string(found.entries), std::to_string(found.bytes),
                          std::to_string(found.leftovers), cache->folder().string()}}}));
  return 0;
}

int clear(const Options& options) {
  OpenedCache cache(options);
  const ModuleCacheContents removed = cache->clear(options.dry_run);
  write_stdout(fmt::format("{} {} entries ({} bytes) and {} leftover files in {}\n",
                           options.dry_run ? "would remove" : "removed", removed.entries, removed.bytes,
                           removed.leftovers, cache->folder().string()));
  if (!cache.warning().empty()) throw Error(ErrorCode::cannot_create, cache.warning());
  return 0;
}

}  // namespace

Action add_cache(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.require_subcommand(1);
  const auto add = [&](const char* name, const char* description) {
    CLI::App* command = app.add_subcommand(name, description);
    command
        ->add_option("--folder", options->folder,
                     "the cache's folder (default: $GUMTILE_CACHE_DIR, else $XDG_CACHE_HOME/gumtile, else "
                     "~/.cache/gumtile)")
        ->check([](const std::string& folder) {
          return folder.empty() ? "expected a folder, found ''" : std::string();
        });
    return command;
  };
  CLI::App* show = add("stats", "Show how many compiled kernels are kept, and where");
  show->add_option("--format", options->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  CLI::App* remove = add("clear", "Remove all compiled kernels and what interrupted writers left");
  remove->add_flag("--dry-run", options->dry_run, "only say what would be removed");
  return [options, show] { return show->parsed() ? stats(*options) : clear(*options); };
}

}  // namespace gumtile::tools
