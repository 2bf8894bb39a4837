# Prints the contents of the fenced blocks of one language, with an empty line between them:
#     awk -v language=cpp -f markdown_blocks.awk FILE
# A block behind a line `<!-- not run: WHY -->` is left out.
/^<!-- not run: .* -->$/ { skip = 1; next }
/^```/ {
  if (inside) {
    inside = 0
    wanted = 0
  } else {
    inside = 1
    wanted = ($0 == "```" language) && !skip
    if (wanted && blocks++) print ""
    skip = 0
  }
  next
}
wanted { print }
