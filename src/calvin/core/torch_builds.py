"""Whether torchvision fits the torch that is here, which command installs one that does, and doing without.

transformers imports torchvision wherever it is installed. One built for another torch, as pip brings it from PyPI
beside a torch for CPUs, ends every import of transformers. Only files are read here: neither is imported.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

INDEX = "https://download.pytorch.org/whl"
_BUILD = re.compile(r"cpu|cu\d+|rocm[\d.]+|xpu")
_VERSION = re.compile(r"^__version__ = ['\"]([^'\"]+)", re.MULTILINE)


def hide_unfit_torchvision() -> None:
    """Let a torchvision that does not fit torch count as absent: most of calvin does without it.

    A module that is None in `sys.modules` cannot be imported and is not found, which is all that transformers asks.
    """
    if "torchvision" not in sys.modules and misfit() is not None:
        sys.modules["torchvision"] = None  # type: ignore[assignment]


def misfit() -> str | None:
    """'torchvision 0.28.0+cu130 beside torch 2.13.0+cpu', or None where the two fit or cannot be told apart."""
    vision, torch = built("torchvision"), built("torch")
    return (
        None if vision is None or torch is None or fits(vision, torch) else f"torchvision {vision} beside torch {torch}"
    )


def fits(vision: str, torch: str) -> bool:
    """Whether a version of torchvision belongs to one of torch. Since 2.0, 0.(N + 15) belongs to 2.N.

    Builds that do not name themselves, as on macOS, are taken to fit.
    """
    wanted, release = partner(torch), vision.partition("+")[0]
    if wanted and wanted.rpartition(".")[0] != release.rpartition(".")[0]:
        return False
    builds = [name.partition("+")[2] for name in (vision, torch)]
    return builds[0] == builds[1] or not all(_BUILD.fullmatch(build) for build in builds)


def partner(torch: str) -> str | None:
    """The release of torchvision for a release of torch: '0.28.0' for '2.13.0+cpu'; None for one not to be told."""
    found = re.fullmatch(r"2\.(\d+)\.(\d+)", torch.partition("+")[0])
    return f"0.{int(found[1]) + 15}.{found[2]}" if found else None


def built(package: str) -> str | None:
    """The version that a package itself names, with its build, from its file `version.py`; None if there is none."""
    try:
        spec = find_spec(package)
        text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8") if spec and spec.origin else ""
    except (OSError, ValueError, ImportError):
        return None
    found = _VERSION.search(text)
    return found[1] if found else None


def torchvision_command() -> str:
    """The command that installs the torchvision for this torch, from where torch came, and leaves torch as it is."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = ""
    wanted, build = partner(torch), torch.partition("+")[2]
    from_index = _BUILD.fullmatch(build) is not None  # PyPI's packages name no build
    pinned = f"torchvision=={wanted}{f'+{build}' if from_index else ''}" if wanted else "torchvision"
    # Without what torchvision asks for, pip has no reason to touch torch.
    return f"pip install --no-deps{f' --index-url {INDEX}/{build}' if from_index else ''} {pinned}"
