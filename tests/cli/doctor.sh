#!/usr/bin/env bash
# gumtile doctor
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/prelude.sh"

succeeds doctor
succeeds doctor --json
json 'd["gumtile"] and d["llvm"].startswith("22.1") and d["cpu"]["threads"] >= 1'
json 'all(check["ok"] for check in d["checks"])'
json 'd["devices"] or d["why_no_device"]'
GUMTILE_CACHE_DIR=$folder/cache succeeds doctor --json
json 'd["cache"]["path"].endswith("/cache") and d["cache"]["writable"]'
GUMTILE_CACHE_DIR='' XDG_CACHE_HOME=relative HOME=$folder succeeds doctor --json
json 'd["cache"]["path"].endswith("/.cache/gumtile")'
json 'd["cache"]["used"] and d["cache"]["entries"] == 0 and d["cache"]["bytes"] == 0'
mkdir -m 777 everyones
GUMTILE_CACHE_DIR=$folder/everyones succeeds doctor --json
json 'not d["cache"]["used"] and "0777" in d["cache"]["why_not_used"]'
GUMTILE_CACHE_DIR=$folder/everyones succeeds doctor

finish
