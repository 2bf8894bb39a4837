// Writes what is generated from the tables of fields (src/head/fields.cpp, src/plan/families) and of formats
// (include/gumtile/dtype.h) into the tree. With --check, reports what is stale instead.
//
//   generate_fields [--check] ROOT

#include <fmt/format.h>

#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gumtile/error.h"
#include "tools/fields/text.h"

namespace gumtile::fields {
namespace {

struct Section {
  const char* name;  ///< empty: the whole file
  std::string (*make)(const Tables&);
  /// The text of the lines before and after a section without markers: docstrings cannot have comments.
  const char* after = nullptr;
  const char* before = nullptr;
};

struct File {
  const char* path;
  std::vector<Section> sections;
};

const std::vector<File>& files() {
  static const std::vector<File> all = {
      {"include/gumtile/gumtile.h",
       {{"dtypes", c_dtypes},
        {"enumerations", c_enumerations},
        {"gumtile_head_options", c_head_options},
        {"gumtile_sample_args", c_sample_args}}},
      {"include/gumtile/head_program.h", {{"enumerations", cpp_enumerations}}},
      {"include/gumtile/head_settings.h", {{"HeadSettings", cpp_settings}}},
      {"src/head/setting_members.cpp", {{"members", cpp_setting_members}}},
      {"python/gumtile/_fields.py", {{"", python_module}}},
      {"python/gumtile/_head.py",
       {{"call parameters", python_parameters},
        {"call values", python_values},
        {"head attributes", python_head_attributes},
        {"head parameters", python_head_parameters},
        {"head values", python_head_values},
        {"docstring of Head", python_head_arguments, "            token_dtype: ", "            schedule: "},
        {"docstring of sample", python_arguments, "            hidden_states: ", "            workspace: "}}},
      {"python/gumtile/_result.py", {{"results", python_results}}},
      {"python/gumtile/torch.py",
       {{"op inputs", torch_inputs},
        {"values of op inputs", torch_input_values},
        {"op arguments", torch_arguments},
        {"values of op arguments", torch_argument_values}}},
      {"docs/models.md", {{"settings", docs_settings}}},
      {"docs/python.md", {{"arguments", docs_python}, {"options of heads", docs_python_head}}},
      {"docs/semantics.md", {{"inputs", docs_inputs}, {"outputs", docs_outputs}, {"status", docs_status}}},
      {"docs/targets.md",
       {{"fields of host", [](const Tables&) { return docs_schedule(kHostFamily); }},
        {"fields of simt", [](const Tables&) { return docs_schedule(kSimtFamily); }},
        {"fields of mma_sync", [](const Tables&) { return docs_schedule(kMmaSyncFamily); }},
        {"fields of wgmma", [](const Tables&) { return docs_schedule(kWgmmaFamily); }}}},
  };
  return all;
}

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

int run(const std::string& root, bool check) {
  int stale = 0;
  for (const File& file : files()) {
    const std::string path = root + "/" + file.path;
    const std::string before = read(path);
    std::string after = before;
    for (const Section& section : file.sections) {
      const std::string text = section.make({});
      if (*section.name == '\0')
        after = text;
      else if (section.after != nullptr)
        after = with_lines(after, section.after, section.before, text);
      else
        after = with_section(after, section.name, text);
    }
    if (after == before) continue;
    ++stale;
    fmt::print(stderr, "generate_fields: {} {}\n", file.path,
               check ? "is stale; run generate_fields" : "written");
    if (check) continue;
    std::ofstream out(path, std::ios::binary);
    out << after;
    if (!out.flush()) throw Error(ErrorCode::cannot_create, fmt::format("'{}' cannot be written", path));
  }
  return check && stale != 0 ? 1 : 0;
}

}  // namespace
}  // namespace gumtile::fields

int main(int argc, char** argv) {
  const bool check = argc == 3 && std::strcmp(argv[1], "--check") == 0;
  if (argc != 2 && !check) {
    fmt::print(stderr, "usage: generate_fields [--check] ROOT\n");
    return 64;
  }
  try {
    return gumtile::fields::run(argv[argc - 1], check);
  } catch (const std::exception& error) {
    fmt::print(stderr, "generate_fields: {}\n", error.what());
    return 70;
  }
}
