#!/usr/bin/env bash
# What find_package says if it cannot find what was requested.
# shellcheck source=tests/consumer/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mkdir "$work/project"
# finds RESULT TEXT PREFIX ARGUMENTS...: a project with find_package(gumtile ARGUMENTS).
count=0
finds() {
  local expected=$1 text=$2 prefix_path=$3 found=0
  shift 3
  count=$((count + 1))
  cat >"$work/project/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.20)
project(finds LANGUAGES NONE)
find_package(gumtile $*)
message(STATUS "found: \${gumtile_FOUND} runtime \${gumtile_runtime_FOUND} jit \${gumtile_jit_FOUND}")
END
  cmake -S "$work/project" -B "$work/build$count" -DCMAKE_PREFIX_PATH="$prefix_path" >"$work/log" 2>&1 || found=1
  [[ $found == "$expected" ]] || fail "find_package(gumtile $*) ended with $found, expected $expected"
  says "$text" "$work/log"
}

finds 0 'found: 1 runtime TRUE jit TRUE' "$prefix" CONFIG REQUIRED
finds 0 'found: 1 runtime TRUE jit TRUE' "$prefix" 0.1.0 CONFIG REQUIRED COMPONENTS runtime jit
finds 0 'found: 1 runtime TRUE jit ' "$prefix" CONFIG REQUIRED COMPONENTS runtime
finds 1 "gumtile has no component 'compiler'; there are runtime and jit" "$prefix" CONFIG REQUIRED COMPONENTS compiler
finds 0 'found: 0' "$prefix" CONFIG COMPONENTS compiler
finds 0 'found: 1 runtime TRUE' "$prefix" CONFIG REQUIRED COMPONENTS runtime OPTIONAL_COMPONENTS compiler
finds 1 'compatible with requested version' "$prefix" 0.2 CONFIG REQUIRED
finds 1 'compatible with requested version' "$prefix" 0.0.9 CONFIG REQUIRED

for component in runtime devel; do
  cmake --install "$build" --prefix "$work/part" --component $component >>"$work/part.log"
done
finds 0 'found: 1 runtime TRUE jit FALSE' "$work/part" CONFIG REQUIRED OPTIONAL_COMPONENTS jit COMPONENTS runtime
finds 1 "gumtile's component 'jit' is not installed" "$work/part" CONFIG REQUIRED COMPONENTS jit
finish
