#!/usr/bin/env bash
# check_links.sh FILE.md...: every relative link leads to a file or folder, and to a heading if it names one. Prints the
# ones that do not, and ends with 1 if there are any.
set -euo pipefail

# The anchors that a page's headings get: lower case, without punctuation, hyphens for spaces.
anchors() {
  awk '/^```/ { code = !code } !code && /^#+ / { sub(/^#+ +/, ""); print tolower($0) }' "$1" |
    sed -e 's/`//g; s/\[\([^]]*\)\]([^)]*)/\1/g; s/[^[:alnum:] _-]//g; s/ /-/g'
}

broken=0
for page in "$@"; do
  while read -r link; do
    target=${link%%#*}
    file=$page
    [[ -z $target ]] || file=$(dirname "$page")/$target
    if [[ ! -e $file ]]; then
      printf "%s: there is no '%s'\n" "$page" "$target" >&2
      broken=1
    elif [[ $link == *'#'* && -f $file ]] && ! grep -qxF -- "${link#*#}" <(anchors "$file"); then
      printf "%s: '%s' has no heading '#%s'\n" "$page" "$file" "${link#*#}" >&2
      broken=1
    fi
  done < <(awk '/^ *```/ { code = !code } !code' "$page" | grep -oE '\]\([^) ]+\)' | sed 's/^](//; s/)$//' | grep -v '://' || true)
done
exit "$broken"
