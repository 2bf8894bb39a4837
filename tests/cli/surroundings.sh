#!/usr/bin/env bash
# The `gumtile` command among outputs of other kinds, assemblers that fail, signals, and limits of the system.
#
#   tests/cli/surroundings.sh PATH_TO_GUMTILE
#
# Needs no GPU. Tests that need root, control groups, python3 or a C compiler are left out if that is missing.
# shellcheck source-path=SCRIPTDIR
# shellcheck disable=SC2317 # functions that others call
fake_ptxas=$(realpath "$(dirname "$0")/../fake_ptxas.py")
source "$(dirname "$0")/prelude.sh"
groups=()
remove_all() {
  if ((${#groups[@]} > 0)); then rmdir "${groups[@]}" 2>/dev/null; fi
  rm -rf "$folder"
}
trap '[[ $BASHPID != $$ ]] || remove_all' EXIT # not when a subshell ends
export GUMTILE_PTXAS=

# holds WHAT COMMAND...: fails unless the command succeeds.
holds() {
  local what=$1
  shift
  checks=$((checks + 1))
  if ! "$@"; then fail "$what"; fi
}
# is_gone PID: it has ended, or does so within seconds. A process that nobody waits for has no command line any more.
is_gone() {
  local i
  for ((i = 0; i < 100; i++)); do
    if [[ -z $({ tr -d '\0' <"/proc/$1/cmdline"; } 2>/dev/null) ]]; then return 0; fi
    sleep 0.05
  done
  return 1
}
# ends CODE ARGUMENTS...: runs the command and compares its exit code. Streams go to the files stdout and stderr.
ends() {
  local expected=$1 found=0
  shift
  timeout 120 "$gumtile" "$@" >stdout 2>stderr </dev/null || found=$?
  holds "gumtile $*: exit code $found, expected $expected" test "$found" = "$expected"
}
says() { grep -qF -- "$1" stderr; }
no_leftovers() { [[ -z $(find "$1" -name '*.tmp' -o -name 'gumtile-??????' -o -name '*.gtpack.*') ]]; }

tiny=(--vocab-size 64 --hidden-size 16 --max-rows 1 --features token)
host=(compile "${tiny[@]}" --targets host:x86-64-v3)
gpu=(compile "${tiny[@]}" --targets sm_90a)

# ---- outputs ------------------------------------------------------------------------------------------------
# A path that cannot be written is detected before anything is compiled.
many=(compile --vocab-size 151936 --hidden-size 4096 --max-rows 512 --targets 'host,sm_80,sm_90a')
for path in missing/head.gtpack . "$folder/cache/" /dev/full/x ''; do
  start=$SECONDS
  ends 73 "${many[@]}" -o "$path"
  holds "the message names '$path'" says "${path:-empty}"
  holds "'$path' takes $((SECONDS - start)) s" test $((SECONDS - start)) -lt 10
done
ends 0 "${host[@]}" -o head.gtpack
chmod 640 head.gtpack
ln -s head.gtpack link.gtpack
ends 0 "${host[@]}" -o link.gtpack
holds 'a symbolic link stays' test -L link.gtpack
holds 'a file keeps its permissions' test "$(stat -c %a head.gtpack)" = 640
ends 0 inspect --pack head.gtpack
mkfifo pipe
timeout 60 cat pipe >got &
ends 0 "${host[@]}" -o pipe
wait
holds 'a pipe stays' test -p pipe
ends 0 inspect --pack got
if mknod null c 1 3 2>/dev/null; then
  ends 0 "${host[@]}" -o null
  holds 'a device stays' test -c null
fi
ends 73 "${host[@]}" -o /dev/full
holds 'the message says that there is no space' says 'No space left'
"$gumtile" "${host[@]}" -o /dev/stdout >redirected 2>stderr
holds 'the table of a pack on stdout is on stderr' says 'made in'
ends 0 inspect --pack redirected --format json
holds 'a pack on stdout is the pack alone' grep -q "^  \"bytes\": $(stat -c %s redirected)," stdout
"$gumtile" "${host[@]}" -o /dev/stdout 2>stderr | cat >got
ends 0 inspect --pack got
holds 'no temporary file is left' no_leftovers .

# ---- temporary folders --------------------------------------------------------------------------------------
touch file
for where in '' /nonexistent "$folder/file"; do
  export TMPDIR=$where
  GUMTILE_CACHE_DIR=$(mktemp -d -p "$folder") ends 0 sample --synthetic 64x16x1 --device cpu
done
unset TMPDIR

# ---- assemblers ---------------------------------------------------------------------------------------------
script() { # script NAME LINES...: replaces ptxas
  printf '#!/bin/sh\n%s\n' "$2" >"$1"
  chmod +x "$1"
}
# shellcheck disable=SC2016 # the scripts' own words
script random 'head -c 5000 /dev/urandom >"$3"'
# shellcheck disable=SC2016
script program 'cat /bin/true >"$3"'
script loud 'head -c 5000000 /dev/zero | tr "\000" x >&2; exit 1'
for ptxas in random program loud; do
  GUMTILE_PTXAS=$folder/$ptxas ends 0 "${gpu[@]}" -o lied.gtpack
  holds "no cubin of '$ptxas' is in the pack" test "$(grep -c cubin stdout)" = 0
  holds "a message says that '$ptxas' made none" says 'no cubins for sm_90a'
  holds "the message about '$ptxas' is short" test "$(wc -c <stderr)" -lt 4000
  ends 70 "${gpu[@]}" --ptxas "$folder/$ptxas" -o lied.gtpack
done
if command -v python3 >/dev/null; then
  GUMTILE_PTXAS=$fake_ptxas ends 0 "${gpu[@]}" -o fake.gtpack
  holds 'a cubin for the target is in the pack' grep -q cubin stdout
fi

# ---- signals ------------------------------------------------------------------------------------------------
# shellcheck disable=SC2016
script slow 'echo $$ >>"'"$folder"'/started"; exec sleep 100'
# An interrupt has an exit code of its own; the other signals end the process as usual.
for signal_and_code in INT:130 TERM:-15 HUP:-1; do
  if ! command -v python3 >/dev/null; then break; fi
  signal=${signal_and_code%:*}
  rm -f started
  mkdir -p tmp
  # A job of a script ignores SIGINT; python starts it as a terminal would.
  holds "SIG$signal ends a compile beside an assembler that hangs" \
    env TMPDIR="$folder/tmp" GUMTILE_PTXAS="$folder/slow" python3 -c '
import os, signal, subprocess, sys, time
command = subprocess.Popen(sys.argv[3:], stdout=open("stdout", "w"), stderr=open("stderr", "w"))
for _ in range(6000):
    if os.path.exists("started") or command.poll() is not None:
        break
    time.sleep(0.01)
command.send_signal(getattr(signal, "SIG" + sys.argv[1]))
code = command.wait(timeout=50)
sys.exit(0 if code == int(sys.argv[2]) else 1)' "$signal" "${signal_and_code#*:}" "$gumtile" "${gpu[@]}" -o stopped.gtpack
  holds "SIG$signal leaves no pack" test ! -e stopped.gtpack
  holds "SIG$signal leaves no temporary file" test -z "$(ls -A tmp)" -a -z "$(find . -name '.gumtile-*')"
  while read -r pid; do
    holds "SIG$signal ends the assembler" is_gone "$pid"
  done <started
done

# Other commands also run assemblers, but only with a GPU; inspect needs none.
rm -f started
GUMTILE_PTXAS=$folder/slow "$gumtile" inspect --emit cubin --target sm_90a --vocab-size 64 --hidden-size 16 >stdout 2>stderr &
for ((i = 0; i < 600; i++)); do if [[ -s started ]]; then break; fi; sleep 0.05; done
kill -TERM $!
wait $!
holds 'SIGTERM ends inspect' test $? = 143
while read -r pid; do
  holds 'SIGTERM ends the assembler of inspect' is_gone "$pid"
done <started

# ---- limits of the system -----------------------------------------------------------------------------------
# limited CONTROLLER FILE VALUE...: a control group of its own with these limits; its folder is in `group`.
make_group() {
  local controller=$1 base=/sys/fs/cgroup
  shift
  if [[ -d /sys/fs/cgroup/$controller ]]; then base=/sys/fs/cgroup/$controller; fi
  group=$base/gumtile-test-$$-$controller
  mkdir "$group" 2>/dev/null || return 1
  groups+=("$group")
  while (($# > 0)); do
    if [[ -e $group/$1 ]]; then printf '%s\n' "$2" 2>/dev/null >"$group/$1" || return 1; fi
    shift 2
  done
}
# inside CODE ARGUMENTS...: as `ends`, in `group`.
inside() {
  local expected=$1 found=0
  shift
  (echo $BASHPID >"$group/cgroup.procs" && exec timeout 120 "$gumtile" "$@") >stdout 2>stderr </dev/null || found=$?
  holds "gumtile $* in a control group: exit code $found, expected $expected" test "$found" = "$expected"
}
if make_group cpu cpu.max '100000 100000' cpu.cfs_period_us 100000 cpu.cfs_quota_us 100000; then
  inside 0 doctor --json
  holds 'doctor says what a quota leaves' grep -q '"quota_cpus": 1.0' stdout
  holds 'threads follow the quota' grep -q '"threads": 1,' stdout
  inside 0 doctor
  holds 'doctor tells people of a quota' grep -q 'quota of 1 CPU' stdout
fi
if make_group memory memory.max 200M memory.limit_in_bytes 200M; then
  inside 69 sample --synthetic 128000x2048x1 --device cpu
  holds 'the message names the limit' says '200 MiB'
  inside 0 sample --synthetic 4000x2048x1 --device cpu
  inside 0 doctor --json
  holds 'doctor says what may be used' grep -q '"memory_limit_bytes": 209715200' stdout
fi
if make_group pids pids.max 2; then
  # Room for the command and the process that starts it: no thread can be started.
  inside 69 "${host[@]}" -o limited.gtpack
  holds 'the message has the remedy' says 'raise the limit on processes'
  GUMTILE_CACHE_DIR=$folder/cold inside 69 sample --synthetic 1003x64x1 --device cpu
  holds 'the message has the remedy' says 'limit on processes'
fi

finish
