"""Things by name, ours and those of other packages."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import ClassVar

import pytest

from calvin.core.errors import MissingExtraError, UsageError
from calvin.core.registry import Manifest, Registry


@dataclass(frozen=True, slots=True)
class Cutter(Manifest[Callable[[str], str]]):
    size: int = 1

    what: ClassVar[str] = "cutter"


OURS = (Cutter("upper", "capitals", "builtins:str.upper"), Cutter("to_lower", "small letters", str.lower, size=2))


def package(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, entries: str, code: str = "") -> None:
    """Another package: a module, and the metadata that an installer would write beside it."""
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(folder)


def test_names_in_order_however_they_are_written() -> None:
    cutters = Registry(Cutter, OURS, aliases={"caps": "upper"}, also=("FILE",))
    assert cutters.names() == tuple(cutters) == ("upper", "to_lower")
    assert cutters.listed() == "upper, to_lower, FILE"
    assert cutters.find(" To-Lower ").load()("A") == "a"
    assert cutters.find("CAPS").load()("a") == "A"
    assert cutters["to_lower"].size == 2
    assert ("to_lower" in cutters, "caps" in cutters, cutters.get("x")) == (True, False, None)
    with pytest.raises(UsageError, match=r"^There is no cutter 'x': choose from upper, to_lower, FILE\.$"):
        cutters.find("x")


def test_optional_packages_are_named() -> None:
    with pytest.raises(MissingExtraError, match=r"^The cutter far needs optional .*calvin-ad\[far\]"):
        Cutter("far", "", "no_such_module:cut", "far").load()
    with pytest.raises(ImportError):
        Cutter("ours", "", "no_such_module:cut").load()


def test_other_packages_add_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from test_registry_kind import Cutter\ndef swap(text): return text.swapcase()\n"
    code += "SAID = Cutter('ignored', 'said', 'swapping:swap', size=7)"
    entries = "[calvin.cutters]\nswap = swapping:swap\nsaid = swapping:SAID\nbroken = absent_module:cut\n"
    package(tmp_path, monkeypatch, "swapping", entries, code)
    monkeypatch.setitem(sys.modules, "test_registry_kind", sys.modules[__name__])
    cutters = Registry(Cutter, OURS, "cutters")
    assert cutters.names() == ("upper", "to_lower", "broken", "said", "swap")
    assert "swapping" not in sys.modules  # names alone import nothing
    assert cutters.find("swap") == Cutter("swap", "swap of swapping 1.0", cutters.find("swap").load())
    assert cutters.find("swap").load()("aB") == "Ab"
    assert (cutters.find("said").name, cutters.find("said").size) == ("said", 7)
    assert cutters.find("said").load()("aB") == "Ab"
    with pytest.raises(UsageError, match=r"^The cutter 'broken' of swapping 1.0 cannot be used \(ModuleNotFoundError"):
        cutters.find("broken")
    assert [cutter.name for cutter in cutters.working()] == ["upper", "to_lower", "said", "swap"]


def test_a_name_that_is_taken_loses_and_is_warned_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    package(tmp_path, monkeypatch, "clashing", "[calvin.clash]\nto-lower = clashing:x\nnew = clashing:x\n", "x = len")
    cutters = Registry(Cutter, OURS, "clash")
    assert cutters.names() == ("upper", "to_lower", "new")
    with caplog.at_level(logging.WARNING, "calvin"):
        assert cutters.find("to_lower").load()("A") == "a"
        cutters.find("to_lower")
    [record] = caplog.records
    assert record.getMessage() == (
        "clashing 1.0 adds a cutter 'to_lower', which there is already: the one of calvin is taken."
    )


def test_an_entry_point_without_a_package_is_named_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lone = EntryPoint("lone", "absent_module:x", "calvin.lone")
    monkeypatch.setattr("calvin.core.registry._entry_points", lambda path: EntryPoints([lone]))
    with pytest.raises(UsageError, match="of a package cannot be used"):
        Registry(Cutter, OURS, "lone").find("lone")
