#!/usr/bin/env bash
# The libraries export only the C interface, under its version; the runtime is small.
# shellcheck source=tests/consumer/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

libraries=$(dirname "$(find "$prefix" -name 'libgumtile.so')")
tr '\n' ' ' <"$prefix/include/gumtile/gumtile.h" | grep -oE 'GUMTILE_API [^;(]*[ *]gumtile_[a-z_]+\(' |
  sed 's/.*[ *]\(gumtile_[a-z_]*\)(/\1/' | sort >"$work/declared"
for library in gumtile gumtile_runtime; do
  file=$libraries/lib$library.so
  nm -D --defined-only "$file" | awk '$2 != "A" { print $3 }' | sed 's/@@GUMTILE_0$//' | sort >"$work/exported"
  diff "$work/declared" "$work/exported" >"$work/difference" ||
    { fail "$file exports (>) something else than is declared (<):" && head -20 "$work/difference" >&2; }
  nodes=$(nm -D --defined-only "$file" | awk '$2 == "A" { print $3 }' | sed 's/@.*//' | sort -u)
  [[ $nodes == GUMTILE_0 ]] || fail "$file has the version nodes '$nodes'"
  printf '%s needs: %s\n' "$file" "$(readelf -d "$file" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | tr '\n' ' ')"
done
strip -o "$work/stripped" "$libraries/libgumtile_runtime.so"
bytes=$(stat -c %s "$work/stripped")
echo "libgumtile_runtime.so, stripped: $bytes bytes"
((bytes < 2000000)) || fail 'the runtime has 2 MB or more'
readelf -d "$libraries/libgumtile_runtime.so" | grep -i llvm && fail 'the runtime needs LLVM'
finish
