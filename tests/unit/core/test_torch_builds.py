"""A torchvision that does not fit torch is known by its files, and calvin does without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from calvin.core import torch_builds
from calvin.core.torch_builds import built, fits, partner, torchvision_command


@pytest.mark.parametrize(
    ("vision", "torch", "fit"),
    [
        ("0.28.0+cpu", "2.13.0+cpu", True),
        ("0.28.0+cu130", "2.13.0+cu130", True),
        ("0.28.0+cu130", "2.13.0+cpu", False),
        ("0.28.0+cpu", "2.13.0+cu130", False),
        ("0.27.0+cpu", "2.13.0+cpu", False),
        ("0.28.1", "2.13.1", True),  # macOS: builds without names
        ("0.28.0", "2.13.0+cpu", True),
        ("0.29.0a0+1ab", "2.14.0a0+9cd", True),  # somebody's own: not to be told
    ],
)
def test_builds_fit_by_release_and_by_what_they_were_built_for(vision: str, torch: str, fit: bool) -> None:
    assert fits(vision, torch) is fit


def test_each_torch_has_its_torchvision() -> None:
    pairs = {"2.0.1": "0.15.1", "2.9.1+cu128": "0.24.1", "2.13.0+cpu": "0.28.0", "1.13.1": None, "2.14.0a0": None}
    assert {torch: partner(torch) for torch in pairs} == pairs


@pytest.mark.parametrize(
    ("torch", "command"),
    [
        ("2.13.0", "pip install --no-deps torchvision==0.28.0"),
        (
            "2.13.0+cpu",
            "pip install --no-deps --index-url https://download.pytorch.org/whl/cpu torchvision==0.28.0+cpu",
        ),
        (
            "2.12.1+cu130",
            "pip install --no-deps --index-url https://download.pytorch.org/whl/cu130 torchvision==0.27.1+cu130",
        ),
        ("2.14.0a0+git1", "pip install --no-deps torchvision"),
    ],
)
def test_the_command_takes_it_from_where_torch_came(torch: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_builds, "version", {"torch": torch}.__getitem__)
    assert torchvision_command() == command


def test_a_version_is_read_without_an_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plainly").mkdir()
    (tmp_path / "plainly" / "__init__.py").write_text("raise RuntimeError('operator does not exist')")
    (tmp_path / "plainly" / "version.py").write_text("__version__ = '0.28.0+cu130'\ngit_version = 'x'\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert built("plainly") == "0.28.0+cu130"
    assert built("there_is_no_such_package") is None


def test_an_unfit_torchvision_does_not_end_calvin(tmp_path: Path) -> None:
    """The import that fails beside a torch of another build, where transformers finds the package."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    (package / "version.py").write_text("__version__ = '0.1.0+cu999'\n")
    (tmp_path / "torchvision-0.1.0.dist-info").mkdir()
    (tmp_path / "torchvision-0.1.0.dist-info" / "METADATA").write_text("Name: torchvision\nVersion: 0.1.0\n")
    source = "import sys; sys.path.insert(0, sys.argv[1]); import calvin.model; from transformers import AutoProcessor"
    code = [sys.executable, "-c", source, str(tmp_path)]
    result = subprocess.run(code, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
