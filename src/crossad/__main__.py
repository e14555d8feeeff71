"""`python -m crossad` is the same program as `crossad`."""

from crossad.cli import main

main()
