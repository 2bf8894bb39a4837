#!/usr/bin/env bash
# test_check_includes.sh: tools/check_includes.py lets this tree pass, and names file and line of what is wrong in made-up ones.
set -euo pipefail
check=$(dirname "${BASH_SOURCE[0]}")/../tools/check_includes.py
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

failed=0
# fails WHAT TEXT...: the made-up tree does not pass, and each text is in what is said about it.
fails() {
  local what=$1 said text
  shift
  if said=$("$check" "$tree" 2>&1); then
    printf '%s: passed\n' "$what" >&2
    failed=1
  fi
  for text in "$@"; do
    if [[ $said != *"$text"* ]]; then
      printf "%s: '%s' is not in:\n%s\n" "$what" "$text" "$said" >&2
      failed=1
    fi
  done
}
passes() {
  local what=$1 said
  if ! said=$("$check" "$tree" 2>&1) || [[ -n $said ]]; then
    printf '%s:\n%s\n' "$what" "$said" >&2
    failed=1
  fi
}

# a_tree: a made-up tree that passes, and reaches files in all the ways in which the sources do.
a_tree() {
  rm -rf "$tree"
  mkdir -p "$tree"/{include/gumtile,src/ir,src/files,codegen/host,runtime/engine,tools/tune}
  touch "$tree"/{include/gumtile/program.h,src/ir/ops.h,src/files/posix_file.h,codegen/dump.h}
  printf '#include <vector>\n#include "gumtile/program.h"\n#include "ops.h"\n' >"$tree/src/ir/ops.cpp"
  printf '#include "ir/ops.h"\n#include "files/posix_file.h"\n' >"$tree/codegen/host/link.cpp"
  printf '#include "source_digest.h"\n' >"$tree/codegen/compile.cpp" # generated
  printf '#include "files/posix_file.h"\n' >"$tree/runtime/engine/engine.h"
  printf '#include "runtime/engine/engine.h"\n#include "codegen/dump.h"\n' >"$tree/tools/tune/run.h"
}

a_tree
passes 'a made-up tree'

a_tree
printf '#pragma once\n\n#include "files/posix_file.h"\n' >"$tree/src/ir/ops.h"
fails 'src includes files' 'src/ir/ops.h:3: src must not include src/files, but includes src/files/posix_file.h'

a_tree
printf '#include "codegen/dump.h"\n' >"$tree/runtime/engine/engine.cpp"
fails 'runtime includes codegen' 'runtime/engine/engine.cpp:1: runtime must not include codegen'

a_tree
printf '  #  include "runtime/engine/engine.h"\n' >"$tree/codegen/dump.h"
fails 'codegen includes runtime' 'codegen/dump.h:1: codegen must not include runtime'

a_tree
mkdir "$tree/src/plan"
printf '#include "plan/family.h"\n' >"$tree/src/ir/ops.h"
touch "$tree/src/plan/family.h"
fails 'ir includes plan' 'src/ir/ops.h:1: src/ir must not include src/plan, but includes src/plan/family.h'

a_tree
printf '#include <ir/ops.h>\n' >"$tree/include/gumtile/program.h"
fails 'angle brackets' 'include/gumtile/program.h:1: include/gumtile must not include src'

a_tree
printf '#include "ir/ops.h"\n' >"$tree/include/gumtile/program.h"
fails 'the interface includes src' 'include/gumtile/program.h:1: include/gumtile must not include src'

a_tree
printf '// No circle of files.\n#include "tools/tune/run.h"\n' >"$tree/tools/main.cpp"
printf '#include "tools/output.h"\n' >"$tree/tools/tune/report.cpp"
touch "$tree/tools/output.h"
fails 'a circle of folders' 'circle: tools -> tools/tune -> tools' 'tools/main.cpp:2 includes tools/tune/run.h' \
  'tools/tune/report.cpp:1 includes tools/output.h'

a_tree
printf '#include "b.h"\n' >"$tree/src/ir/a.h"
printf '\n#include "ir/c.h"\n' >"$tree/src/ir/b.h"
printf '#include "a.h"\n' >"$tree/src/ir/c.h"
fails 'a circle of files' 'circle: src/ir/a.h -> src/ir/b.h -> src/ir/c.h -> src/ir/a.h' 'src/ir/b.h:2 includes src/ir/c.h'

a_tree
rm -r "$tree/src/files"
fails 'a tree without a layer' 'lacks src/files'

"$check" || failed=1
exit "$failed"
