#!/usr/bin/env bash
# From a bare machine to sampled tokens: installs what is missing, builds the `gumtile` command, shows what it finds
# on this machine, and samples four rows with four temperatures and seeds. Results go to stdout, progress to stderr.
# Later runs rebuild only what changed.
set -euo pipefail
case ${1-} in
  '') ;;
  -h | --help)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
    exit 0
    ;;
  *)
    printf "quickstart: unknown argument '%s'; it takes none but --help\n" "$1" >&2
    exit 64
    ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/setup.sh

if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}; fi
cmake --preset release >&2
cmake --build --preset release --target gumtile_command >&2

gumtile=build/release/bin/gumtile
"$gumtile" doctor || printf 'quickstart: gumtile doctor ended with %s; sampling all the same\n' "$?" >&2
"$gumtile" sample --synthetic 32000x1024x4 --temperature 0,0.7,1,1 --seed 1,2,3,4 --device auto
