"""Which records of Synapse's log fail a run."""

from pathlib import Path

from tests.homeserver.synapse_log import logged_errors

RACE = """2026-11-29 02:12:29,100 synapse.access.http.1 INFO GET-1 Processed request
2026-11-29 02:12:30,922 synapse.util ERROR sentinel Looping call died
Traceback (most recent call last):
  File "synapse/storage/database.py", line 718, in loop
    top_three_counters = self._txn_perf_counters.interval(duration, limit=3)
RuntimeError: dictionary changed size during iteration
2026-11-29 02:12:30,924 twisted CRITICAL sentinel Unhandled error in Deferred:
2026-11-29 02:12:30,924 twisted CRITICAL sentinel
Traceback (most recent call last):
  File "synapse/storage/database.py", line 718, in loop
    top_three_counters = self._txn_perf_counters.interval(duration, limit=3)
builtins.RuntimeError: dictionary changed size during iteration
"""
OWN = """2026-11-29 02:12:31,000 twisted CRITICAL sentinel Unhandled error in Deferred:
2026-11-29 02:12:31,000 twisted CRITICAL sentinel
Traceback (most recent call last):
  File "media_links/sessions.py", line 1, in is_alive
ValueError: ours
"""


def test_what_synapse_does_wrong_by_itself_fails_no_run(tmp_path: Path) -> None:
    log = tmp_path / "homeserver.log"
    log.write_text(RACE)
    assert logged_errors(log) == []
    log.write_text(RACE + OWN)
    assert [record.splitlines()[-1] for record in logged_errors(log)] == [OWN.splitlines()[0], "ValueError: ours"]
