#!/usr/bin/env bash
# Runs the Python tests with a given libgumtile. Exits with 77 if no python3 has numpy and pytest.
#
#   run.sh path/to/libgumtile.so [pytest arguments]
set -euo pipefail
GUMTILE_LIBRARY=$(realpath "$1")
export GUMTILE_LIBRARY
shift
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python=
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import numpy, pytest' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [[ -z $python ]]; then
  echo "skipped: python3 cannot import numpy and pytest"
  exit 77
fi
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=python exec "$python" -m pytest -q -rs "$@"
