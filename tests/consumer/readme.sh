#!/usr/bin/env bash
# The program of the README, built with the README's CMake list, and the effect of GUMTILE_LOG on it: it has no log of
# its own.
# shellcheck source=tests/consumer/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export GUMTILE_TUNING_DIR=$work/tuning
readme=$prefix/share/doc/gumtile/README.md
for language in cpp:next_token.cpp cmake:CMakeLists.txt; do
  awk -v language="${language%%:*}" -f "$here/../markdown_blocks.awk" "$readme" >"$work/${language#*:}"
done
cmake -S "$work" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$work/configure.log"
cmake --build "$work/build" >"$work/build.log" || { cat "$work/build.log" >&2; exit 1; }

program=$work/build/next_token
unset GUMTILE_LOG
"$program" >"$work/quiet.out" 2>"$work/quiet.err" || fail 'the program'
says 'tokens ' "$work/quiet.out"
[[ ! -s $work/quiet.err ]] || fail 'the program prints to stderr without GUMTILE_LOG'

GUMTILE_CACHE_DIR=$work/other-cache GUMTILE_LOG=info "$program" >"$work/info.out" 2>"$work/info.err" || fail 'with GUMTILE_LOG'
cmp "$work/quiet.out" "$work/info.out" || fail 'GUMTILE_LOG changes what the program prints'
says 'gumtile: info: opened ' "$work/info.err"
says "gumtile: info: compiled '" "$work/info.err"
says 'by built-in heuristic' "$work/info.err"
GUMTILE_LOG=debug "$program" >/dev/null 2>"$work/debug.err" || fail 'with GUMTILE_LOG=debug'
says 'from the cache' "$work/debug.err"
GUMTILE_LOG=loud "$program" >/dev/null 2>"$work/loud.err" || fail 'with an unknown level'
says "GUMTILE_LOG is 'loud'; expected off, warning, info or debug" "$work/loud.err"
GUMTILE_LOG=info "$program" 2>&- >"$work/closed.out" || fail 'with a closed stderr'
cmp "$work/quiet.out" "$work/closed.out" || fail 'a closed stderr changes what the program prints'
finish
