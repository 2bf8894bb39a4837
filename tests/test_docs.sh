#!/usr/bin/env bash
# The documents are right: links lead somewhere, the tutorial is its program, and the README's shell lines and Python
# run, in their order.
#
#   test_docs.sh BUILD_FOLDER
set -euo pipefail
build=$(realpath "$1")
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n' "$1" >&2
}
blocks() { awk -v language="$1" -f "$source/tests/markdown_blocks.awk" "$source/$2"; }

cd "$source"
tests/check_links.sh ./*.md docs/*.md docs/adr/*.md examples/*.md || fail 'links'
diff <(blocks cpp docs/dsl-tutorial.md) examples/own_kernel.cpp || fail 'the C++ blocks of the tutorial are not own_kernel.cpp'

# What the README runs is where a user would have it.
mkdir -p "$work/build" "$work/bin"
ln -s "$build" "$work/build/release"
for name in python examples README.md; do ln -s "$source/$name" "$work/$name"; done
# links_python MODULES: `python3` is one that can import them, if there is one.
links_python() {
  local candidate
  for candidate in python3 /usr/bin/python3; do
    candidate=$(command -v "$candidate") || continue
    if "$candidate" -c "import $1" 2>/dev/null; then
      [[ $candidate != "$work/bin/python3" ]] || return 0
      printf '#!/bin/sh\nexec %s "$@"\n' "$candidate" >"$work/bin/python3"
      chmod +x "$work/bin/python3"
      return 0
    fi
  done
  echo "skipped: python3 cannot import $1"
  return 1
}
export PATH=$work/bin:$PATH GUMTILE_CACHE_DIR=$work/cache GUMTILE_TUNING_DIR=$work/tuning PYTHONDONTWRITEBYTECODE=1
cd "$work"

if links_python numpy; then
  blocks sh README.md >"$work/lines.sh"
  if bash -euo pipefail lines.sh >"$work/printed" 2>"$work/said"; then
    # The tokens that the README shows for its first sample.
    while read -r row token _; do
      grep -qE "^ *$row +$token +-" "$work/printed" || fail "row $row did not get the README's token $token"
    done < <(sed -n '/^row  token/,/^```/p' "$source/README.md" | grep -E '^ +[0-9]')
  else
    fail 'the shell lines of the README:' && cat "$work/said" >&2
  fi
fi

if [[ ! -e $build/lib/libgumtile.so.0 ]]; then
  echo 'skipped: no libgumtile for Python'
elif links_python numpy,torch; then
  blocks python README.md >"$work/sample.py"
  PYTHONPATH=$source/python GUMTILE_LIBRARY=$build/lib/libgumtile.so.0 python3 sample.py >"$work/printed" 2>"$work/said" ||
    { fail 'the Python of the README:' && cat "$work/said" >&2; }
fi
exit $((failures > 0))
