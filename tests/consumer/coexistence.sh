#!/usr/bin/env bash
# gumtile and every other LLVM that is installed, in one process, with the other's symbols first, in both orders.
# With static LLVM this is the real test. If gumtile itself needs a libLLVM, that one is in the process in any case.
# shellcheck source=tests/consumer/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

libraries=$(dirname "$(find "$prefix" -name 'libgumtile.so')")
if readelf -d "$libraries/libgumtile.so" | grep -q 'NEEDED.*libLLVM'; then
  echo 'note: this gumtile links libLLVM dynamically; a build with -DGUMTILE_STATIC_LLVM=ON is tested harder'
fi
cc -std=c11 -Wall -Wextra -Werror -I"$prefix/include" "$here/coexistence.c" -o "$work/program" -ldl
others=$(find /usr/lib -name 'libLLVM*.so*' -exec realpath {} + | sort -u)
[[ -n $others ]] || echo 'skipped: there is no other LLVM'
for other in $others; do
  for order in before after; do
    "$work/program" "$libraries/libgumtile.so.0" "$other" $order || fail "$other, loaded $order gumtile"
  done
done
finish
