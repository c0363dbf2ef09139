"""Count what docs/architecture.md states about the code's structure.

    python docs/count_structure.py           # files, lines, circles, names: from the sources alone
    python docs/count_structure.py --hops    # also describe the bundled film, and count the calls on the two long ways

A hop is one of calvin's own functions on the stack, from the command down to the moment at which the decoder is asked
for a frame, or the language model for a caption. Work handed to a thread counts with the stack that handed it over.
"""

from __future__ import annotations

import argparse
import ast
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from inspect import CO_GENERATOR
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

SOURCE = Path(__file__).resolve().parents[1] / "src" / "calvin"

ONE_JOB = frozenset({"__init__", "base", "registry"})
"""Names that mean the same in every package: its interface, and what is there by name."""


def modules(root: Path = SOURCE) -> dict[str, Path]:
    """Every module below a package folder, by its dotted name."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = [root.name, *path.relative_to(root).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """The modules that a module imports, at any depth of it, those for type checkers included."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                if inner in known or base in known:
                    yield inner if inner in known else base


def circles(root: Path = SOURCE) -> list[list[str]]:
    """Groups of modules that import one another in a circle (strongly connected components, by Tarjan)."""
    known = modules(root)
    graph = {name: sorted(set(imports(name, path, known)) - {name}) for name, path in known.items()}
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in graph[name]:
            if other not in order:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], order[other])
        if low[name] == order[name]:
            at = stack.index(name)
            group, stack[at:] = stack[at:], []
            if len(group) > 1:
                found.append(sorted(group))

    for name in graph:
        if name not in order:
            visit(name)
    return found


def namesakes(root: Path = SOURCE) -> dict[str, list[str]]:
    """Modules of one name in different places. A command's module may be named like what it runs."""
    by_name = defaultdict(list)
    for name, path in modules(root).items():
        if path.stem not in ONE_JOB and path.parent != root / "cli":
            by_name[path.stem].append(name)
    return {stem: names for stem, names in by_name.items() if len(names) > 1}


def classes_twice(root: Path = SOURCE) -> list[str]:
    """Public classes of one name within one package."""
    seen = defaultdict(list)
    for name, path in modules(root).items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                seen[name.split(".")[1] if "." in name else "", node.name].append(name)
    return [f"{name}: {', '.join(places)}" for (_, name), places in sorted(seen.items()) if len(places) > 1]


def lines(root: Path) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in root.rglob("*.py"))


def _own(frame: FrameType | None) -> list[str]:
    """calvin's functions on a stack, outermost first. To a reader, a comprehension is not a function."""
    found = []
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(SOURCE) and frame.f_code.co_name not in {"<module>", "<listcomp>", "<genexpr>"}:
            found.append(f"{path.relative_to(SOURCE)}: {frame.f_code.co_qualname}")
        frame = frame.f_back
    return found[::-1]


def hops() -> dict[str, list[str]]:
    """The stack of calvin's functions when the decoder gives its first frame, and when a caption is begun."""
    from torch.nn.modules.module import register_module_forward_pre_hook

    from calvin.cli.main import app
    from calvin.core.package import bundled_film

    ways: dict[str, list[str]] = {}
    handed: dict[int, list[str]] = {}
    submit = ThreadPoolExecutor.submit

    def submit_from(self: ThreadPoolExecutor, work: Any, *args: Any, **kwargs: Any) -> Any:
        parent = handed.get(threading.get_ident(), []) + _own(sys._getframe(1))

        def run(*inner: Any, **named: Any) -> Any:
            handed[threading.get_ident()] = parent
            return work(*inner, **named)

        return submit(self, run, *args, **kwargs)

    def watch(frame: FrameType, event: str, _: Any) -> None:
        # PyAV's own calls cannot be seen; the generator that calls its `decode` can, anew for each frame.
        code = frame.f_code
        reads = "/media/film/" in code.co_filename and "decode" in code.co_names and code.co_flags & CO_GENERATOR
        if event == "call" and reads:
            stack = handed.get(threading.get_ident(), []) + _own(frame)
            if len(stack) > len(ways.get("frame", [])):
                ways["frame"] = stack

    def begin(module: Any, _: Any) -> None:
        if type(module).__name__ == "LlamaModel" and "caption" not in ways:
            ways["caption"] = handed.get(threading.get_ident(), []) + _own(sys._getframe(1))

    ThreadPoolExecutor.submit = submit_from  # type: ignore[method-assign, assignment]
    threading.setprofile(watch)
    sys.setprofile(watch)
    handle = register_module_forward_pre_hook(begin)
    film, subtitles = bundled_film()
    try:
        with TemporaryDirectory() as folder:
            app(["describe", str(film), "-s", str(subtitles), "-o", f"{folder}/project"], standalone_mode=False)
    except SystemExit:
        pass
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
        handle.remove()
        ThreadPoolExecutor.submit = submit  # type: ignore[method-assign]
    return ways


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hops", action="store_true", help="describe the bundled film and count the calls")
    wanted = parser.parse_args()
    top = [path for path in (SOURCE / "studio").iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()]
    rows: list[tuple[str, Any]] = [
        ("files in src/calvin", len(modules())),
        ("lines in src/calvin", lines(SOURCE)),
        ("entries at the top of studio/", len(top)),
        ("lines in cli/", lines(SOURCE / "cli")),
        ("import circles", len(circles())),
        ("modules of one name with different jobs", len(namesakes())),
        ("public classes of one name in a package", len(classes_twice())),
    ]
    ways = hops() if wanted.hops else {}
    rows += [(f"hops from the command to the {end}", len(way)) for end, way in ways.items()]
    print("| what | count |\n|---|---|")
    for what, count in rows:
        print(f"| {what} | {count} |")
    for found in (*map(" <-> ".join, circles()), *(f"{k}: {', '.join(v)}" for k, v in namesakes().items())):
        print(found)
    for found in classes_twice():
        print(found)
    for end, way in ways.items():
        print(f"\nTo the {end}:")
        for number, hop in enumerate(way, 1):
            print(f"{number:3} {hop}")


if __name__ == "__main__":
    main()
