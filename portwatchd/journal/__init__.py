"""The log: structured lines on stderr that nothing waits for, and one line for each change that is believed."""

from portwatchd.journal.lines import close, configure, count_dropped
from portwatchd.journal.sink import Journal, cannot_start

__all__ = ["Journal", "cannot_start", "close", "configure", "count_dropped"]
