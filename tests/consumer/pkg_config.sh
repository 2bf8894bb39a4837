#!/usr/bin/env bash
# Without CMake: pkg-config and whichever compilers there are.
# shellcheck source=tests/consumer/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if ! command -v pkg-config >/dev/null; then
  echo 'skipped: there is no pkg-config'
  exit 0
fi
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name gumtile.pc)")
export PKG_CONFIG_PATH
libraries=$(dirname "$(find "$prefix" -name 'libgumtile.so')")
read -ra strict <<<'-Wall -Wextra -Werror -pedantic'
for module in gumtile gumtile-runtime; do
  [[ $module == gumtile ]] && linked=jit || linked=runtime
  read -ra flags < <(pkg-config --cflags --libs "$module")
  [[ $(pkg-config --modversion "$module") == $("$prefix/bin/gumtile" --version | cut -d' ' -f2) ]] || fail 'version'
  for compiler in 'cc -std=c11' 'c++ -std=c++17' 'clang++-14 -std=c++17'; do
    read -ra command <<<"$compiler"
    if ! command -v "${command[0]}" >/dev/null; then
      echo "skipped: there is no ${command[0]}"
      continue
    fi
    [[ $compiler == cc* ]] && program=$here/consumer.c || program=$here/consumer.cpp
    "${command[@]}" "${strict[@]}" "$program" -o "$work/program" "${flags[@]}" || fail "$compiler with $module"
    LD_LIBRARY_PATH=$libraries "$work/program" "$linked" || fail "the program of $compiler with $module"
  done
done
finish
