"""What docs/architecture.md states of the structure is counted by a script, and stays so."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "count_structure.py"


@pytest.fixture(scope="module")
def counted() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def plant(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        file = root / "calvin" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root / "calvin"


def test_no_module_imports_itself_by_a_circle(counted: dict[str, Any]) -> None:
    assert counted["circles"]() == []


@pytest.mark.parametrize(
    ("files", "circle"),
    [
        ({"a.py": "import calvin.b", "b.py": "from calvin.c import x", "c.py": "def f():\n    import calvin.a"}, "abc"),
        ({"a.py": "from . import b", "b.py": "from .a import x", "c.py": "import calvin.a"}, "ab"),
        ({"a.py": "from calvin import b", "b.py": "import os", "c.py": "from calvin.a import x"}, ""),
    ],
)
def test_a_planted_circle_is_found(counted: dict[str, Any], tmp_path: Path, files: dict[str, str], circle: str) -> None:
    root = plant(tmp_path, {"__init__.py": "", **files})
    assert counted["circles"](root) == ([[f"calvin.{name}" for name in circle]] if circle else [])


def test_planted_namesakes_are_found(counted: dict[str, Any], tmp_path: Path) -> None:
    classes = "class Plan: ...\nclass _Plan: ..."
    root = plant(
        tmp_path,
        {
            "media/plan.py": classes,
            "studio/plan.py": classes,
            "studio/room/other.py": classes,
            "studio/base.py": "",
            "media/base.py": "",
            "cli/other.py": "",
        },
    )
    assert counted["namesakes"](root) == {"plan": ["calvin.media.plan", "calvin.studio.plan"]}
    assert counted["classes_twice"](root) == ["Plan: calvin.studio.plan, calvin.studio.room.other"]
