#!/usr/bin/env bash
# Installs what is missing, builds everything in build/release and runs the tests. Arguments are passed on to ctest:
#
#   tools/test.sh                    all tests
#   tools/test.sh -L unit            one label
#   tools/test.sh -R philox -V       tests by name, with their output
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/setup.sh

if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}; fi
cmake --preset release >&2
cmake --build --preset release >&2

exec ctest --preset release "$@"
