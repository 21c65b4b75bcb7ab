"""The API lets the others go first, and is a process like any other besides."""

from __future__ import annotations

import os
import subprocess
import sys

from orchestrator_api.giving_way import NICER

TOLD = """
import os, threading
from orchestrator_api.giving_way import give_way
give_way()
told = lambda: print(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), os.sched_getscheduler(0))
told()
thread = threading.Thread(target=told)
thread.start()
thread.join()
"""


def test_a_process_that_gives_way_is_nicer_with_all_its_threads() -> None:
    # Given a process, as nice as this one
    nice, policy = os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)
    # When it gives way
    told = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, check=True).stdout
    # Then it is nicer, and so are the threads that it begins; no other policy holds for it
    assert told.splitlines() == [f"{min(nice + NICER, 19)} {policy}"] * 2
