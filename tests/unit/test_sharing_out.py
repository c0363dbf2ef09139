"""How tests are shared out among processes: files whole, those in a browser as one piece, the longest first."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEVERAL = "import pytest\n\n@pytest.mark.parametrize('number', range({count}))\ndef test_one(number):\n    pass\n"
SLOW = "import pytest\n\n@pytest.mark.slow\n@pytest.mark.timeout({seconds})\ndef test_slow():\n    pass\n"


def test_files_stay_whole_and_the_longest_come_first(tmp_path: Path) -> None:
    for name, text in {
        "tests/browser/test_a.py": SEVERAL.format(count=5),
        "tests/browser/test_b.py": SEVERAL.format(count=5),
        "tests/unit/test_a.py": SEVERAL.format(count=8),
        "tests/unit/test_b.py": SEVERAL.format(count=8),
        "tests/unit/test_long.py": SEVERAL.format(count=1) + SLOW.format(seconds=1200).partition("\n")[2],
        "tests/unit/test_longest.py": SLOW.format(seconds=3600),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    slow: minutes\n    timeout: seconds\n")
    options = ["-p", "no:cacheprovider", "-p", "xdist", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "-v"]
    command = [sys.executable, "-m", "pytest", "--import-mode=importlib", *options]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    passed = re.findall(r"\[(gw\d)\] .* PASSED (\S+)::", ended.stdout)
    assert len(passed) == 29
    workers: dict[str, set[str]] = {}
    for worker, file in passed:
        workers.setdefault("browser" if "browser" in file else file, set()).add(worker)
    assert {len(each) for each in workers.values()} == {1}
    turns = {worker: list(dict.fromkeys(f for w, f in passed if w == worker)) for worker, _ in passed}
    first, second = sorted(turns.values(), reverse=True)
    assert first[:2] == ["tests/unit/test_longest.py", "tests/unit/test_long.py"]
    assert second[:2] == ["tests/browser/test_a.py", "tests/browser/test_b.py"]
