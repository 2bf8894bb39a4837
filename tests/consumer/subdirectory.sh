#!/usr/bin/env bash
# The source tree as a part of another project. That is built beside this build's folder and with its flags, so that
# ccache has nearly all of it, also where it knows sources by their paths from the build folder.
# shellcheck source=tests/consumer/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

sub=$build-subdirectory
rm -rf "$sub"
mkdir "$work/project"
cp "$here/consumer.c" "$work/project"
cat >"$work/project/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(embeds LANGUAGES C CXX)
enable_testing()
add_subdirectory($source_folder gumtile EXCLUDE_FROM_ALL)
foreach(target runtime jit)
  if(NOT TARGET gumtile::\${target})
    message(FATAL_ERROR "there is no gumtile::\${target}")
  endif()
endforeach()
add_executable(consumer consumer.c)
target_link_libraries(consumer PRIVATE gumtile::runtime)
END
build_type=$(sed -n 's/^CMAKE_BUILD_TYPE:STRING=//p' "$build/CMakeCache.txt")
configure() { cmake -S "$work/project" -B "$sub" -G Ninja -DCMAKE_BUILD_TYPE="$build_type" "$@" >"$work/log" 2>&1; }
configure || { cat "$work/log" >&2; exit 1; }
if grep -q 'CMake Warning' "$work/log"; then fail 'configuring warns:' && cat "$work/log" >&2; fi
for option in BUILD_TESTS BUILD_EXAMPLES WARNINGS_AS_ERRORS INSTALL; do
  grep -q "GUMTILE_$option:BOOL=OFF" "$sub/CMakeCache.txt" || fail "GUMTILE_$option is not off"
done
[[ $(ctest --test-dir "$sub" -N | sed -n 's/^Total Tests: //p') == 0 ]] || fail 'gumtile adds tests'
cmake --install "$sub" --prefix "$work/prefix" >/dev/null
[[ ! -e $work/prefix ]] || fail 'gumtile installs itself'

configure -DGUMTILE_WARNINGS_AS_ERRORS=ON
cmake --build "$sub" -j2 --target consumer >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
if grep -q 'warning:' "$work/build.log"; then fail 'building warns:' && grep 'warning:' "$work/build.log" >&2; fi
consumer=$(find "$sub" -name consumer -type f -executable)
"$consumer" runtime || fail 'the program'
rm -rf "$sub"
finish
