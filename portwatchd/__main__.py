"""`python -m portwatchd` is the command `portwatchd`."""

import sys

from portwatchd.cli import main

if __name__ == "__main__":
    sys.exit(main())
