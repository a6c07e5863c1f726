"""The command `portwatchd`, also as `python -m portwatchd`: its signals come first, for the imports take a while."""

import sys

from portwatchd import signals


def main() -> int:
    """Run the command and return its exit status."""
    if sys.argv[1:2] != ["run"]:
        return _obey()
    signals.take_early()
    try:
        return _obey()
    finally:
        signals.be_late()


def _obey() -> int:
    from portwatchd.cli import main as obey

    return obey()


if __name__ == "__main__":
    sys.exit(main())
