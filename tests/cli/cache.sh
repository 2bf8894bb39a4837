#!/usr/bin/env bash
# gumtile cache
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/prelude.sh"

entry=0123456789abcdef0123456789abcdef.gtk
mkdir -m 700 kernels
printf 'nonsense' >kernels/$entry
printf 'half' >kernels/.$entry.1-0123456789abcdef.tmp
printf 'mine' >kernels/notes.txt
succeeds cache stats --folder kernels --format json
json 'd["entries"] == 1 and d["bytes"] == 8 and d["leftovers"] == 1 and d["folder"].endswith("/kernels")'
GUMTILE_CACHE_DIR=$folder/kernels succeeds cache stats
if ! grep -q '^ *1 *8 bytes *1 .*/kernels$' stdout; then fail "$command_line: does not show the counts"; fi
succeeds cache clear --folder kernels --dry-run
if ! grep -qF 'would remove 1 entry (8 bytes) and 1 leftover file in ' stdout; then fail "$command_line: does not say what would go"; fi
if [[ ! -e kernels/$entry ]]; then fail "$command_line: removed an entry"; fi
succeeds cache clear --folder kernels
if [[ $(ls -A kernels) != notes.txt ]]; then fail "$command_line: left or took the wrong files"; fi
succeeds cache stats --folder no_such_folder --format json
json 'd["entries"] == 0 and d["bytes"] == 0'
if [[ -e no_such_folder ]]; then fail "$command_line: made the folder"; fi
ln -s kernels linked
fails 74 'symbolic link' cache stats --folder linked
fails 74 'symbolic link' cache clear --folder linked/
mkdir -m 777 everyones
fails 74 0777 cache clear --folder everyones
printf 'nonsense' >nonsense.txt
fails 74 'not a folder' cache stats --folder nonsense.txt
HOME='' XDG_CACHE_HOME='' GUMTILE_CACHE_DIR='' fails 74 HOME cache stats
fails 64 xml cache stats --format xml
fails 64 folder cache stats --folder ''
fails 64 'stats or clear' cache
fails 64 --dry-run cache stats --dry-run

finish
