"""Errors in the logs of Synapse's processes."""

import re
from pathlib import Path

# A record begins with its time; a traceback follows in lines of its own.
_RECORD = re.compile(r"^(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ )", re.MULTILINE)
_ERROR = re.compile(r" (?:ERROR|CRITICAL) |^Traceback", re.MULTILINE)
# Synapse 1.163 counts transactions in threads while `DatabasePool.start_profiling` iterates over the counters.
_COUNTER_RACE = "_txn_perf_counters.interval("
_UNHANDLED = "Unhandled error in Deferred:"
# Synapse logs that for every second listener that serves clients.
_SECOND_LISTENER = "already registered"


def logged_errors(log_path: Path) -> list[str]:
    """Returns the records that a process of Synapse has logged as errors, but for those that are faults of its own."""
    records = _RECORD.split(log_path.read_text())
    return [
        record
        for record, following in zip(records, [*records[1:], ""], strict=True)
        if _ERROR.search(record)
        and not (_COUNTER_RACE in record or _SECOND_LISTENER in record)
        and not (_UNHANDLED in record and _COUNTER_RACE in following)
    ]
