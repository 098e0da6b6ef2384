"""`python -m lightsheet.cli`, for an environment in which the package is not installed."""

import sys

from lightsheet.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
