"""Commands that look at a project start without what only a model or a film needs; the base does without extras."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from calvin import describe

HEAVY = {"torch", "cv2", "scenedetect", "transformers", "matplotlib", "h5py"}
REPORT = """
import json, sys
from calvin.cli.main import main
report = sys.argv.pop(1)
try:
    main()
except SystemExit as end:
    code = end.code or 0
with open(report, "w") as file:
    json.dump({"code": code, "modules": sorted(sys.modules)}, file)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, make_film: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("startup")
    film = make_film(folder / "film.mp4")
    describe(film, model=str(tiny_model), out_dir=folder / "film.calvin")
    return folder / "film.calvin"


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["status", "PROJECT", "--decisions"],
        ["lint", "PROJECT"],
        ["export", "PROJECT", "--format", "vtt,srt,dapt,csv,json,txt"],
        ["pick", "PROJECT", "-n", "2", "-o", "OUT"],
    ],
    ids=lambda words: words[0].strip("-"),
)
def test_nothing_heavy_is_loaded(words: list[str], project: Path, tmp_path: Path) -> None:
    given = [word.replace("PROJECT", str(project)).replace("OUT", str(tmp_path / "picks.csv")) for word in words]
    command = [sys.executable, "-c", REPORT, str(tmp_path / "report.json"), *given]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (tmp_path / "report.json").exists(), result.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["code"] in ((0, 1) if words[0] == "lint" else (0,)), result.stderr
    assert sorted(HEAVY.intersection(report["modules"])) == []
    assert result.stdout
    others = {"calvin.cli.train", "calvin.cli.evaluate", "calvin.cli.data"} & set(report["modules"])
    assert bool(others) == (words[0] == "--help"), "a command alone loads no other command"


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"h5py", "matplotlib"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from calvin.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["describe", "FILM", "--model", "MODEL", "-o", "OUT/p", "--no-text"], 0, "film.mp4: "),
        (["data", "features", "FILM", "--model", "MODEL", "-o", "OUT/f.safetensors"], 0, "1 ids, 45 frames encoded"),
        (["data", "features", "FILM", "--model", "MODEL", "-o", "OUT/f.h5"], 2, "pip install 'calvin-ad[train]'"),
    ],
    ids=["describe", "safetensors", "h5"],
)
def test_the_base_needs_neither_h5py_nor_matplotlib(
    words: list[str], code: int, said: str, project: Path, tiny_model: Path, tmp_path: Path
) -> None:
    places = {"FILM": project.parent / "film.mp4", "MODEL": tiny_model}
    given = [str(places.get(word, word)).replace("OUT", str(tmp_path)) for word in words]
    result = subprocess.run([sys.executable, "-c", WITHOUT, *given], capture_output=True, text=True, check=False)
    assert result.returncode == code, result.stderr
    assert said in result.stdout + result.stderr
