#!/usr/bin/env bash
# Installs what gumtile is built with on Debian 12, as root or through sudo. Packages that are there already are
# left alone; when all are, nothing is run that needs the network or more rights than the caller's.
#
#   tools/setup.sh [--static]     --static: also what the release-static preset links
#
# An LLVM 22.1 with lld that was installed otherwise is used instead of the packages when LLVM_DIR and LLD_DIR
# (the folders of LLVMConfig.cmake and LLDConfig.cmake) are set in the environment.
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

packages=(g++ cmake ninja-build git zlib1g-dev libzstd-dev libfmt-dev doctest-dev libcli11-dev nlohmann-json3-dev
  libxxhash-dev python3-numpy python3-pytest)
own_llvm=false
if [[ -n ${LLVM_DIR:-} && -n ${LLD_DIR:-} ]]; then
  own_llvm=true
else
  packages+=(llvm-22-dev liblld-22-dev)
fi

while (($#)); do
  case $1 in
    --static) $own_llvm || packages+=(libpolly-22-dev) ;;  # LLVM's static `passes` component links Polly
    -h | --help)
      sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
      exit 0
      ;;
    *)
      say "unknown option '$1' (known: --static)"
      exit 64
      ;;
  esac
  shift
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  say "this is not a Debian system, so nothing is installed. Needed, by their Debian names: ${packages[*]}"
  exit 0
fi

# One line per architecture that the package is known for.
installed() { grep -qx installed <<<"$(dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null)"; }

missing=()
for package in "${packages[@]}"; do
  installed "$package" || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  say "everything is installed"
  exit 0
fi

say "missing: ${missing[*]}"
if [[ $(id -u) -eq 0 ]]; then
  as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  as_root=(sudo -n)
else
  say "installing takes root, or a sudo that asks for no password. Run as root:"
  say "  apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  exit 1
fi

if ! "${as_root[@]}" apt-get update -q >&2; then
  say "the package lists could not be refreshed; going on with those that are here"
fi

unavailable=()
for package in "${missing[@]}"; do
  candidate=$(LC_ALL=C apt-cache policy "$package" | sed -n 's/^  Candidate: //p')
  if [[ -z $candidate || $candidate == "(none)" ]]; then unavailable+=("$package"); fi
done
if ((${#unavailable[@]})); then
  say "the package sources of this machine do not offer: ${unavailable[*]}"
  if [[ " ${unavailable[*]} " == *-22-dev* ]]; then
    say "gumtile needs LLVM 22.1 with lld. On Debian 12 they are in the security updates: enable the suite"
    say "bookworm-security (component main) in /etc/apt/sources.list.d and run this again. Or install LLVM 22.1"
    say "and lld with their headers, libraries and CMake files by other means, and set LLVM_DIR and LLD_DIR to the"
    say "folders of LLVMConfig.cmake and LLDConfig.cmake."
  else
    say "enable the main component of Debian 12 (bookworm) in /etc/apt/sources.list.d and run this again"
  fi
  exit 1
fi

"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
say "installed: ${missing[*]}"
