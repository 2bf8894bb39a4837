#!/usr/bin/env bash
# The command itself: help, errors, suggestions, completion.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/prelude.sh"

# shows TEXT: stdout has it.
shows() {
  checks=$((checks + 1))
  if ! grep -qF -- "$1" stdout; then fail "$command_line: does not show '$1'"; fi
}
# hides TEXT: stdout does not have it.
hides() {
  checks=$((checks + 1))
  if grep -qF -- "$1" stdout; then fail "$command_line: shows '$1'"; fi
}
# fits WIDTH: no line of stdout is wider.
fits() {
  checks=$((checks + 1))
  local widest
  widest=$(LC_ALL=C.UTF-8 awk '{ if (length > most) most = length } END { print most + 0 }' stdout)
  if ((widest > $1)); then fail "$command_line: a line of $widest columns on a terminal of $1"; fi
}

# ---- Help -----------------------------------------------------------------------------------------------------
succeeds --version
cp stdout version
succeeds -V
cmp -s stdout version || fail '-V differs from --version'
succeeds --help
cp stdout help
succeeds -h
cmp -s stdout help || fail '-h differs from --help'
succeeds help
cmp -s stdout help || fail "'help' differs from --help"
# Those that it lists; each has a test of its own in this folder.
mapfile -t commands < <(sed -n '/^Commands:/,/^$/s/^  \([a-z]\+\) .*/\1/p' stdout)
for name in doctor sample help; do
  if [[ " ${commands[*]} " != *" $name "* ]]; then fail "$command_line: does not list $name"; fi
done
hides worker
for name in "${commands[@]}"; do
  COLUMNS=100 succeeds "$name" --help
  cp stdout help
  COLUMNS=100 succeeds help "$name"
  cmp -s stdout help || fail "'help $name' differs from '$name --help'"
  shows "Usage: gumtile $name"
  hides TEXT
  hides INT
  for width in 40 60 80 133; do
    COLUMNS=$width succeeds help "$name"
    fits "$width"
  done
  if [[ $name != help && $name != cache ]]; then shows 'Examples:'; fi
done
succeeds help cache stats
shows 'Usage: gumtile cache stats'
COLUMNS=1000 succeeds help bench
shows '--format FORMAT'
shows 'table, md, csv, json or jsonl (default: table)'
shows '--model DIR'
shows '--repeats N'
COLUMNS=1000 succeeds help compile
shows '-o, --output FILE'
unset COLUMNS
succeeds help sample
fits 80 # no terminal, no COLUMNS
if command -v python3 >/dev/null; then
  checks=$((checks + 1))
  command_line='gumtile help sample, on a terminal of 50 columns'
  python3 -c '
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
text = b""
try:
    while part := os.read(terminal, 4096): text += part
except OSError: pass
sys.stdout.write(text.decode().replace("\r", ""))' "$gumtile" help sample >stdout 2>stderr </dev/null
  shows 'Usage: gumtile sample'
  fits 50
fi

# ---- Errors ---------------------------------------------------------------------------------------------------
# One style: the program's name, what is wrong, and where to read more.
# refuses TEXT ARGUMENTS...
refuses() {
  fails 64 "$@"
  if ! head -n 1 stderr | grep -q '^gumtile: '; then fail "$command_line: the message has another style"; fi
  if ! tail -n 1 stderr | grep -q '^  see: gumtile.* --help$'; then fail "$command_line: does not name the help"; fi
}
fails 64 'no command given'
if ! grep -q '^Usage: gumtile' stderr; then fail "$command_line: does not show the help"; fi
refuses "unknown command 'dance'; known are doctor, sample" dance
refuses "did you mean 'sample'?" smaple
refuses "did you mean 'inspect'?" help inspct
refuses "did you mean 'stats'?" cache stat
refuses "'gumtile cache' needs a command: stats or clear" cache
refuses "unknown option '--no-such-option'" sample --no-such-option
refuses "unknown option '--wieghts'; did you mean '--weights'?" sample --wieghts=x
refuses "did you mean '--vocab-size'?" compile --vocab 3
refuses "unknown option '--verson'; did you mean '--version'?" --verson
refuses "unexpected argument 'more'" doctor more
refuses 'see: gumtile cache stats --help' cache stats --folder
refuses '--format needs a value: FORMAT' sample --format
refuses '--format is given 2 times' bench --format csv --format json
refuses '--output is missing' compile --vocab-size 8 --hidden-size 8
refuses "--format: 'jsno' is not table or json; did you mean 'json'?" sample --format jsno
refuses "did you mean 'bf16'?" bench --dtype bf61
refuses "did you mean 'per_token'?" bench --noise per_tokn
refuses "did you mean 'cpu'?" bench --device cpuu
refuses "'' is not" bench --device ''
refuses "--device: '' is not auto, cpu" bench --device= --repeats 1
refuses "did you mean 'logprob'?" compile --features token,logprobs -o no.gtpack
refuses "did you mean 'i64'?" compile --token-dtype i46 -o no.gtpack
refuses "did you mean 'ptx'?" inspect --emit ptxx
refuses "'fihs' is not bash, zsh or fish; did you mean 'fish'?" completion fihs
refuses "--repeats: '0' is not an integer from 1 to 100000" bench --repeats 0
refuses "--repeats: 'many' is not an integer" bench --repeats many
refuses "--vocab-size: '-1' is not an integer of at least 1" bench --vocab-size -1
refuses "--vocab-size: '9223372036854775808' is not an integer" bench --vocab-size 9223372036854775808
fails 74 "did you mean 'greedy_argmax'?" inspect --program greedy_argmx

# ---- Completion -----------------------------------------------------------------------------------------------
for shell in bash zsh fish; do
  succeeds completion $shell
  hides worker
  hides inject-fault
  for name in "${commands[@]}"; do shows "$name"; done
done
succeeds completion bash
# completes WORD... LAST EXPECTED: what bash offers for the last word.
completes() {
  local expected=${*: -1} found
  local words=(gumtile "${@:1:$#-1}")
  checks=$((checks + 1))
  command_line="completion of '${words[*]}'"
  # shellcheck source=/dev/null disable=SC2034 # bash's own names
  found=$(
    source stdout
    COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1))
    _gumtile
    printf '%s ' "${COMPREPLY[@]}"
  )
  if [[ " $found" != *" $expected "* ]]; then fail "$command_line: offers '$found', not '$expected'"; fi
}
completes samp sample
completes help insp inspect
completes cache '' stats
completes bench --format cs csv
completes bench --device c cpu
completes bench --dtype b bf16
completes bench --noise g grouped
completes bench --mod --model
completes inspect --emit s sass
completes inspect --program gre greedy_argmax
completes compile --features l logprob
completes completion f fish
completes -- --vers --version

finish
