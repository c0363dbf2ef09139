"""What a type checker sees of an installed calvin: the wheel is built, unpacked and checked against a user's script."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """\
from calvin import Calvin, describe

reveal_type(describe("film.mp4", model=Calvin.from_pretrained()).script)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds nothing but what the wheel holds."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    venv.create(folder / "venv", symlinks=True)
    [packages] = (folder / "venv").glob("lib/python*/site-packages")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(packages)
    return folder


def check(installed: Path, script: str) -> subprocess.CompletedProcess[str]:
    (installed / "user.py").write_text(script)
    python = installed / "venv" / "bin" / "python"
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "user.py"]
    # Only what is installed counts, not the source tree that the tests themselves import.
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "MYPYPATH"}}
    return subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, check=False)


def test_the_types_of_describe_are_seen(installed: Path) -> None:
    result = check(installed, SCRIPT)
    assert 'Revealed type is "calvin.core.types.Script"' in result.stdout, result.stdout + result.stderr
    assert result.returncode == 0, result.stdout
    wrong = check(installed, 'from calvin import describ, describe\n\ndescribe("film.mp4", contxt=3).script.title\n')
    assert 'has no attribute "describ"' in wrong.stdout
    assert 'Unexpected keyword argument "contxt"' in wrong.stdout
