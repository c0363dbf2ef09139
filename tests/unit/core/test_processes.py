from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from calvin.core.errors import CalvinError
from calvin.core.processes import make_in_processes


def _begun() -> None:
    os.environ["CALVIN_TEST_BEGUN"] = "yes"


def _square(number: int) -> tuple[int, str]:
    if number == 13:
        os._exit(7)
    return number**2, os.environ.get("CALVIN_TEST_BEGUN", "no")


def test_what_is_made_comes_in_order_from_processes_that_were_begun() -> None:
    made = list(make_in_processes(_square, range(7), 2, chunk=2, begin=_begun))
    assert made == [(number**2, "yes") for number in range(7)]


@pytest.mark.timeout(120)
def test_a_process_that_dies_is_missed() -> None:
    made = make_in_processes(_square, [1, 13, 3], 1)
    assert next(made) == (1, "no")
    with pytest.raises(CalvinError, match="One of 1 processes died"):
        list(made)


@pytest.mark.timeout(120)
def test_processes_end_with_the_one_that_began_them() -> None:
    code = "import time; from calvin.core.processes import make_in_processes as make; next(make(time.sleep, [9], 1))"
    child = subprocess.Popen([sys.executable, "-c", code])
    parent = psutil.Process(child.pid)
    deadline = time.monotonic() + 60
    # One is multiprocessing's own tracker of what is to be cleaned up.
    while len(family := parent.children(recursive=True)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    child.kill()
    child.wait()
    assert len(family) == 2
    assert not psutil.wait_procs(family, timeout=5)[1]
