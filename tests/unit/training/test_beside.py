from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calvin.core.errors import CalvinError
from calvin.training.beside import Beside


def write_once(path: Path) -> None:
    path.write_text(str(os.getpid()))


def fail(path: Path) -> None:
    raise ValueError(path)


def write_for_ever(path: Path) -> None:
    while True:
        path.write_text(str(os.getpid()))
        time.sleep(0.01)


def test_it_works_in_another_process_and_its_failure_is_told(tmp_path: Path) -> None:
    done = Beside("language", write_once, tmp_path / "pid")
    done.join()
    assert int((tmp_path / "pid").read_text()) != os.getpid()
    with pytest.raises(CalvinError, match="language step"):
        Beside("language", fail, tmp_path).join()


def test_it_ends_with_the_process_that_began_it_even_if_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    script = (
        "import sys, time\nfrom pathlib import Path\nsys.path.insert(0, sys.argv[1])\n"
        "from calvin.training.beside import Beside\nfrom test_beside import write_for_ever\n"
        "if __name__ == '__main__':\n    Beside('language', write_for_ever, Path(sys.argv[2]))\n    time.sleep(600)\n"
    )
    (tmp_path / "begin.py").write_text(script)
    begun = subprocess.Popen([sys.executable, tmp_path / "begin.py", Path(__file__).parent, path])
    while not path.is_file() or not path.read_text():
        assert begun.poll() is None
        time.sleep(0.05)
    other = int(path.read_text())
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    for _ in range(100):
        time.sleep(0.1)
        try:
            os.kill(other, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{other}/stat").read_text().split()[2] == "Z":
            return  # ended; nobody has asked for its exit code yet
    pytest.fail("it works on alone")
