"""`python -m lfl`, the command line; `torchrun -m lfl` starts it in several processes."""

from lfl_cli.app import main

main()
