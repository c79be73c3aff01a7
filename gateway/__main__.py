"""``python -m gateway``: the command line, if its script is not on the path."""

from gateway.cli import main

main()
