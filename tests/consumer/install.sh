#!/usr/bin/env bash
# Installs below a DESTDIR, as a packager does, and moves the tree, which must still work.
# shellcheck source=tests/consumer/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

rm -rf "$prefix"
DESTDIR=$work/stage cmake --install "$build" --prefix /opt/gumtile >"$work/install.log"
mv "$work/stage/opt/gumtile" "$prefix"
rmdir "$work/stage/opt" || fail 'something was installed outside of the prefix'

libraries=$(dirname "$(find "$prefix" -name 'libgumtile.so')")
version=$("$prefix/bin/gumtile" --version)
version=${version#gumtile }
for library in gumtile gumtile_runtime; do
  soname=$(readelf -d "$libraries/lib$library.so" | sed -n 's/.*soname: \[\(.*\)\]/\1/p')
  [[ $soname == lib$library.so.${version%%.*} ]] || fail "lib$library.so has the soname '$soname'"
  [[ -L $libraries/$soname && -f $libraries/lib$library.so.$version ]] || fail "$soname and its file are not there"
done
for file in include/gumtile/{gumtile.h,gumtile.hpp,version.h} bin/gumtile share/doc/gumtile/LICENSE \
  share/doc/gumtile/NOTICE share/doc/gumtile/docs/integration.md share/bash-completion/completions/gumtile; do
  [[ -f $prefix/$file ]] || fail "$file is not installed"
done
# Nothing else of the C++ interface is installed, and nothing names the folders of this machine.
[[ $(find "$prefix/include" -type f | wc -l) == 3 ]] || fail 'more headers are installed than the stable ones'
if grep -rlF -e "$source_folder" -e "$work" "$prefix" --include=*.cmake --include=*.pc; then
  fail 'these files name a folder of this machine'
fi

# Components can be installed separately.
cmake --install "$build" --prefix "$work/runtime" --component runtime >"$work/runtime.log"
[[ -z $(find "$work/runtime" -name '*.h' -o -name 'libgumtile.so*' -o -name gumtile -type f) ]] ||
  fail 'the component runtime has more than the runtime'
[[ -n $(find "$work/runtime" -name "libgumtile_runtime.so.$version") ]] || fail 'the component runtime lacks it'
"$prefix/bin/gumtile" inspect --emit program --vocab-size 64 --hidden-size 16 >/dev/null || fail 'the moved command'
finish
