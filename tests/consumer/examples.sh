#!/usr/bin/env bash
# The installed examples as a project of their own, and the installed documents: their links lead somewhere.
# shellcheck source=tests/consumer/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

documents=$prefix/share/doc/gumtile
find "$documents" -name '*.md' -exec "$here/../check_links.sh" {} + || fail 'links of installed documents'

cmake -S "$documents/examples" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$work/configure.log"
cmake --build "$work/build" -j2 >"$work/build.log" || { cat "$work/build.log" >&2; exit 1; }
ctest --test-dir "$work/build" --output-on-failure -LE gpu || fail 'the examples'
"$prefix/bin/gumtile" compile --vocab-size 1000 --hidden-size 64 --max-rows 4 --targets host -o "$work/head.gtpack"
"$work/build/pack_only" "$work/head.gtpack" cpu || fail 'pack_only with a pack'
finish
