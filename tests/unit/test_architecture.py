"""The shape of the code: imports point one way and in no circle, files and functions stay short, no foreign code runs.

    core <- media <- {model, data, puppets} <- {encode, captioners, training} <- evaluation <- studio <- {lab, page}
    <- cli

Packages in braces do not import one another, and only `lab` and the command line know `puppets`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "calvin"

FILMS = {"core", "media"}
PARTS = FILMS | {"model", "data"}
MAKERS = PARTS | {"encode", "captioners", "training"}
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "media": {"core"},
    "model": FILMS,
    "data": FILMS,
    "puppets": FILMS,
    "encode": PARTS,
    "captioners": PARTS,
    "training": PARTS,
    "evaluation": PARTS | {"encode", "captioners"},
    "studio": MAKERS | {"evaluation"},
    "lab": MAKERS | {"evaluation", "studio", "puppets"},
    "page": FILMS | {"captioners", "studio"},
    "cli": MAKERS | {"evaluation", "studio", "puppets", "lab", "page"},
}
EVERYONE_MAY = {"assets"}
"""The folder of bundled files, which holds no code."""

ROOT_EXPORTS = {"Calvin": "captioners", "adapt": "studio", "describe": "studio"}
"""Names of the root package and the package each comes from."""

LONG_FILE_LINES = 350
"""A longer file is named in the test's output: does it hold one thing? Length alone is not a reason to cut it."""

MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 60

_DOTTED = re.compile(r"^calvin\.([a-z_]+)(?:\.\w+)*(?::[\w.]+)?$")


def imported_packages(tree: ast.AST, module: tuple[str, ...], is_package: bool) -> Iterator[tuple[int, str]]:
    """(line, package of calvin) of every import in a file, at any depth, and of every dotted name in a string.

    Strings count because a lazy import is an import: `import_module("calvin.studio.describe.films")`.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "calvin":
                    # `import calvin` alone gives hold of everything, so it counts as the highest package.
                    yield node.lineno, parts[1] if len(parts) > 1 else "cli"
        elif isinstance(node, ast.ImportFrom):
            base = list(module[: len(module) - node.level + is_package]) if node.level else []
            parts = base + (node.module.split(".") if node.module else [])
            if parts == ["calvin"]:
                yield from ((node.lineno, ROOT_EXPORTS.get(alias.name, alias.name)) for alias in node.names)
            elif parts[:1] == ["calvin"]:
                yield node.lineno, parts[1]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = _DOTTED.match(node.value)
            if match:
                yield node.lineno, match[1]


def python_files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


def import_violations(root: Path) -> list[str]:
    """Imports under the package folder `root` that point the wrong way, one readable line each."""
    problems = []
    for path in python_files(root):
        inside = path.relative_to(root)
        if len(inside.parts) == 1:
            continue  # the root package and `python -m calvin` hand on what is above
        package = inside.parts[0]
        allowed = MAY_IMPORT.get(package)
        if allowed is None:
            problems.append(f"{inside}: {package} has no place in the order of packages")
            continue
        is_package = inside.name == "__init__.py"
        module = ("calvin", *inside.with_suffix("").parts)[: -1 if is_package else None]
        for line, other in imported_packages(ast.parse(path.read_text(encoding="utf-8")), module, is_package):
            if other != package and other not in allowed | EVERYONE_MAY:
                problems.append(f"{inside}:{line}: {package} imports {other}")
    return problems


def functions(tree: ast.AST) -> Iterator[tuple[str, int, int]]:
    """(name, line, lines long) of every function; the decorators count, the docstring does not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            length = (node.end_lineno or node.lineno) - first + 1
            head = node.body[0]
            if ast.get_docstring(node) is not None:
                length -= (head.end_lineno or head.lineno) - head.lineno + 1
            yield node.name, node.lineno, length


def length_violations(root: Path) -> list[str]:
    problems = []
    for path in python_files(root):
        text = path.read_text(encoding="utf-8")
        inside = path.relative_to(root)
        lines = len(text.splitlines())
        if lines > LONG_FILE_LINES:
            print(f"{inside} has {lines} lines: does it hold one thing?")
        if lines > MAX_FILE_LINES:
            problems.append(f"{inside}: {lines} lines")
        problems.extend(
            f"{inside}:{line}: {name} is {length} lines long"
            for name, line, length in functions(ast.parse(text))
            if length > MAX_FUNCTION_LINES
        )
    return problems


def danger_violations(root: Path) -> list[str]:
    """Calls and imports that run code found in files or on a hub."""
    problems = []
    for path in python_files(root):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found = _danger(node)
            if found:
                problems.append(f"{path.relative_to(root)}:{getattr(node, 'lineno', 0)}: {found}")
    return problems


def _danger(node: ast.AST) -> str | None:
    if isinstance(node, ast.Import):
        names = {alias.name.split(".")[0] for alias in node.names}
        return "imports pickle" if names & {"pickle", "cPickle", "dill", "joblib"} else None
    if isinstance(node, ast.ImportFrom):
        return "imports pickle" if (node.module or "").split(".")[0] in {"pickle", "dill", "joblib"} else None
    if isinstance(node, ast.keyword) and node.arg in {"trust_remote_code", "allow_pickle"}:
        safe = isinstance(node.value, ast.Constant) and node.value.value is False
        return None if safe else f"{node.arg} is not False"
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        only_weights = any(
            keyword.arg == "weights_only" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
            for keyword in node.keywords
        )
        if called == "torch.load" and not only_weights:
            return "torch.load without weights_only=True"
        if called in {"eval", "exec", "os.system"}:
            return f"calls {called}"
    return None


def test_imports_point_one_way() -> None:
    problems = import_violations(SOURCE)
    assert not problems, "\n".join(problems)


def test_every_package_has_its_place() -> None:
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert packages <= set(MAY_IMPORT)
    assert "core" in packages


def test_files_and_functions_stay_short() -> None:
    problems = length_violations(SOURCE)
    assert not problems, "\n".join(problems)


def test_nothing_runs_foreign_code() -> None:
    problems = danger_violations(SOURCE)
    assert not problems, "\n".join(problems)


def plant(root: Path, path: str, text: str) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("core/a.py", "from calvin.media import probe"),
        ("core/a.py", "import calvin.media.probe"),
        ("core/a.py", "import calvin"),
        ("core/a.py", "from calvin import media"),
        ("core/a.py", "from calvin import describe"),
        ("core/a.py", "from ..media import probe"),
        ("core/a.py", "from .. import media"),
        ("core/__init__.py", "from ..media import probe"),
        ("core/sub/__init__.py", "from ...media import probe"),
        ("core/a.py", "def lazy():\n    from calvin.studio.project.store import Store"),
        ("core/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import calvin.data.samples"),
        ("core/a.py", "from importlib import import_module\nimport_module('calvin.studio.describe.films')"),
        ("model/a.py", "from calvin.data import FeatureStore"),
        ("data/a.py", "from calvin.model import CalvinConfig"),
        ("data/readers/a.py", "from calvin.model import CalvinConfig"),
        ("training/a.py", "from calvin.captioners import open_captioner"),
        ("captioners/a.py", "MANIFEST = 'calvin.training.loop.train:train'"),
        ("evaluation/a.py", "from calvin.training.loop.train import train"),
        ("studio/a.py", "from calvin.cli.main import app"),
        ("studio/a.py", "from calvin.puppets.tell.screenplay import write"),
        ("puppets/a.py", "from calvin.model import CalvinConfig"),
        ("puppets/a.py", "from calvin.data import types"),
        ("page/a.py", "from calvin.training.fewshot import tune"),
        ("page/a.py", "from calvin.lab.pace import x"),
        ("studio/a.py", "from calvin.page.jobs import Jobs"),
        ("helpers/a.py", "x = 1"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, path: str, text: str) -> None:
    assert len(import_violations(plant(tmp_path, path, text))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("__init__.py", "from calvin.studio import describe"),
        ("core/a.py", "import os\nfrom calvin.core.time import Span\nfrom calvin.core.package import __version__"),
        ("core/sub/a.py", "from ..time import Span"),
        ("media/a.py", "'calvin.studio is above this package, says a sentence.'"),
        ("model/a.py", "from calvin.core import time\nfrom calvin.media import probe"),
        ("puppets/a.py", "from calvin.media import voice"),
        ("evaluation/a.py", "from calvin.captioners import open_captioner"),
        ("evaluation/a.py", "from calvin.encode.film_cache import FilmCache"),
        ("lab/a.py", "from calvin.puppets import script\nfrom calvin.studio.project import store"),
        ("page/a.py", "from calvin.captioners import base\nfrom calvin.studio.project import store"),
        ("cli/a.py", "from calvin.puppets import script\nfrom calvin.lab import material\nimport calvin"),
    ],
)
def test_an_import_in_order_is_left_alone(tmp_path: Path, path: str, text: str) -> None:
    assert import_violations(plant(tmp_path, path, text)) == []


def test_a_planted_long_file_or_function_is_found(tmp_path: Path) -> None:
    body = "\n".join("    x = 1" for _ in range(MAX_FUNCTION_LINES))
    plant(
        tmp_path, "core/long_function.py", f"def fits():\n    '''Said\n    twice.'''\n{body[:-10]}\n\ndef f():\n{body}"
    )
    plant(tmp_path, "core/long_file.py", "x = 1\n" * (MAX_FILE_LINES + 1))
    plant(tmp_path, "core/just_fits.py", "x = 1\n" * MAX_FILE_LINES)
    assert [problem.split(" ")[0] for problem in length_violations(tmp_path)] == [
        "core/long_file.py:",
        f"core/long_function.py:{MAX_FUNCTION_LINES + 4}:",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib",
        "AutoModel.from_pretrained(path, trust_remote_code=True)",
        "AutoModel.from_pretrained(path, trust_remote_code=flag)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "eval(text)",
    ],
)
def test_planted_danger_is_found(tmp_path: Path, text: str) -> None:
    assert len(danger_violations(plant(tmp_path, "data/a.py", text))) == 1


def test_safe_calls_are_left_alone(tmp_path: Path) -> None:
    plant(tmp_path, "data/a.py", "AutoModel.from_pretrained(path, trust_remote_code=False)\nmodel.eval()")
    plant(tmp_path, "data/b.py", "torch.load(path, weights_only=True)\nnp.load(path, allow_pickle=False)")
    assert danger_violations(tmp_path) == []
