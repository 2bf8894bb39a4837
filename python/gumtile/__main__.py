"""`python -m gumtile`: the command."""

from ._command import main

main()
