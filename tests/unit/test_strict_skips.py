"""In CI a test that skips itself fails the run, unless it is marked `gpu`, `hub` or `shared`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ALLOWED = """
import pytest

@pytest.mark.gpu
@pytest.mark.skipif(True, reason="no GPU")
def test_gpu():
    pass

@pytest.mark.hub
def test_hub():
    pytest.skip("no hub")

@pytest.mark.shared
def test_shared():
    pytest.skip("no folder")

@pytest.mark.xfail(reason="known", strict=True)
def test_expected_failure():
    assert False

def test_passes():
    pass
"""
SKIPS = """
import pytest

@pytest.mark.skip(reason="not today")
def test_skips():
    pass
"""
SKIPS_WHOLE_MODULE = """
import pytest

pytest.importorskip("no_such_module")
"""


def run(folder: Path, text: str, strict: bool, *options: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    gpu: a GPU\n    hub: a hub\n    shared: a folder\n")
    (folder / "test_one.py").write_text(text)
    (folder / "test_other.py").write_text("def test_other():\n    pass\n")
    environment = {**os.environ, "CALVIN_STRICT_SKIPS": "1" if strict else "0", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "2")], ids=["one process", "two processes"])
@pytest.mark.parametrize(
    ("text", "why"), [(SKIPS, "not today"), (SKIPS_WHOLE_MODULE, "no_such_module")], ids=["a test", "a module"]
)
def test_a_skip_fails_the_run_and_is_named(tmp_path: Path, text: str, why: str, options: tuple[str, ...]) -> None:
    ended = run(tmp_path, text, True, *options)
    assert ended.returncode == 1, ended.stdout
    summary = ended.stdout.partition("skips that are not allowed")[2]
    assert "test_one.py" in summary
    assert why in summary


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "2")], ids=["one process", "two processes"])
def test_marked_skips_and_expected_failures_may_be(tmp_path: Path, options: tuple[str, ...]) -> None:
    ended = run(tmp_path, ALLOWED, True, *options)
    assert ended.returncode == 0, ended.stdout
    assert "2 passed, 3 skipped, 1 xfailed" in ended.stdout


def test_outside_of_ci_a_skip_is_only_a_skip(tmp_path: Path) -> None:
    assert run(tmp_path, SKIPS, False).returncode == 0


def test_a_failure_stays_a_failure(tmp_path: Path) -> None:
    ended = run(tmp_path, "def test_fails():\n    assert False\n", True)
    assert ended.returncode == 1
    assert "skips that are not allowed" not in ended.stdout
