#!/usr/bin/env bash
# Checks that bash's completion has everything in --help, and that other shells can parse theirs.
# shellcheck source=tests/consumer/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

gumtile=$prefix/bin/gumtile
# fish creates folders in the home folder, even with --no-config.
export HOME=$work/home
export XDG_CONFIG_HOME=$HOME/.config XDG_DATA_HOME=$HOME/.local/share XDG_CACHE_HOME=$HOME/.cache
mkdir "$HOME"
# shellcheck disable=SC1091
source "$prefix/share/bash-completion/completions/gumtile"
# completes WORDS...: what may follow, in COMPREPLY.
completes() {
  COMP_WORDS=("$@")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  COMPREPLY=()
  _gumtile
}
has() { [[ " ${COMPREPLY[*]} " == *" $1 "* ]] || fail "'${COMP_WORDS[*]}' is not completed with '$1'"; }

# shellcheck disable=SC2013 # names have no spaces
# knows COMMAND...: the options and subcommands of its --help, and those of its subcommands.
knows() {
  local help name
  help=$("$gumtile" "${@:2}" --help)
  for name in $(grep -oE '^ +(-[a-z],)?--[a-z0-9-]+' <<<"$help" | grep -oE '\--[a-z0-9-]+'); do
    completes "$@" "${name:0:4}"
    has "$name"
  done
  for name in $(sed -n '/^Subcommands:/,/^$/s/^  \([a-z]\+\).*/\1/p' <<<"$help"); do
    completes "$@" ''
    has "$name"
    knows "$@" "$name"
  done
}
knows gumtile
completes gumtile bench --format j
[[ ${COMPREPLY[*]} == 'json jsonl' ]] || fail "the formats are completed as '${COMPREPLY[*]}'"
completes gumtile sample --weights ''
[[ ${#COMPREPLY[@]} == 0 ]] || fail 'a file name is completed with options'
completes gumtile bench --format json --ba
[[ ${COMPREPLY[*]} == --batches ]] || fail "after an option's value, '${COMPREPLY[*]}'"

if command -v zsh >/dev/null; then zsh -n "$prefix/share/zsh/site-functions/_gumtile" || fail zsh; fi
if command -v fish >/dev/null; then
  script=$prefix/share/fish/vendor_completions.d/gumtile.fish
  fish --no-config -c "source $script; complete -C 'gumtile bench --form'" >"$work/fish" || fail fish
  says --format "$work/fish"
  fish --no-config -c "source $script; complete -C 'gumtile bench --format '" >"$work/fish"
  says jsonl "$work/fish"
  fish --no-config -c "source $script; complete -C 'gumtile do'" >"$work/fish"
  says doctor "$work/fish"
fi
finish
