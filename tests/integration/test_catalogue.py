"""A catalogue: the same scripts as film by film, whoever describes them and whatever is killed meanwhile."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner, Result

from calvin import describe
from calvin.captioners import Captioner, open_captioner
from calvin.captioners.spending import Price
from calvin.cli.main import app
from calvin.core.errors import CalvinError, UsageError
from calvin.core.progress import Progress, silent
from calvin.core.ray_cluster import joined_cluster
from calvin.studio.catalogue.catalogue_run import catalogue
from calvin.studio.catalogue.film_journal import JOURNAL
from calvin.studio.catalogue.film_work import CatalogueWish
from calvin.studio.project.describe_settings import DescribeWish
from calvin.studio.project.store import ProjectStore
from forks import exit_code, fork
from model_server import Play, running, send

UNREAD = DescribeWish(screen_text=False)
"""What workers in processes of their own are told too, in which no test stands in for the reader of writing."""
NAMES = ("one", "three", "two")
_SRT = "1\n00:00:02,200 --> 00:00:03,800\nWhere have you been?\n\n"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, make_film: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("catalogue") / "films"
    make_film(folder / "one.mp4", (2.0, 3.0, 2.0)).with_suffix(".srt").write_text(_SRT)
    make_film(folder / "two.mp4", (3.0,))
    make_film(folder / "three.mkv", (2.0, 3.0))
    return folder


@pytest.fixture(scope="module")
def captioner(tiny_model: Path) -> Captioner:
    return open_captioner(str(tiny_model))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, films: Path, tiny_model: Path, captioner: Captioner) -> Path:
    """The projects of the films, described one by one."""
    folder = tmp_path_factory.mktemp("alone")
    for film in sorted(films.glob("*.m*")):
        describe(film, model=captioner, out_dir=folder / f"{film.stem}.calvin", text=False)
    return folder


@pytest.fixture
def plain_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker processes get this process's search path, but not the operators that tests define for torchvision."""
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if Path(folder).name != "videollm"])


def told(folder: Path) -> tuple[object, ...]:
    """All that a project says of its film, and its files, byte for byte; of vectors the values alone, as the library
    that writes them puts names into their head in any order."""
    with ProjectStore(folder) as store:
        cues = store.cues
        candidates = [store.scored_candidates([cue.id]) for cue in cues]
        stored = (store.film, store.shots, store.dialogue, store.plans, cues, candidates, store.decisions)
    files = {
        path.relative_to(folder).as_posix(): values(path) if path.suffix == ".safetensors" else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("project.")
    }
    return (*stored, files)


def values(path: Path) -> dict[str, list[list[float]]]:
    return {name: tensor.tolist() for name, tensor in load_file(path).items()}


def assert_same(out: Path, alone: Path, names: tuple[str, ...] = NAMES) -> None:
    for name in names:
        assert told(out / f"{name}.calvin") == told(alone / f"{name}.calvin"), name


def table(out: Path) -> list[dict[str, str]]:
    with (out / "catalogue.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def another(film: Path) -> None:
    """A film that looks the same, but has other bytes."""
    film.write_bytes(film.read_bytes() + b"\0")


def lines(out: Path) -> list[tuple[str, str]]:
    """The journal's films with their states, in the order in which things happened."""
    found = [json.loads(line) for line in (out / JOURNAL).read_text().splitlines()]
    return [(Path(line["film"]).stem, line["state"]) for line in found[1:]]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("together", [1, 3])
def test_the_scripts_are_those_of_each_film_alone(
    films: Path, alone: Path, captioner: Captioner, tmp_path: Path, together: int
) -> None:
    seen: list[Progress] = []
    report = catalogue(
        films, tmp_path / "out", CatalogueWish(UNREAD), together=together, captioner=captioner, listener=seen.append
    )
    assert_same(tmp_path / "out", alone)
    assert [row.entry.film.stem for row in report.rows] == ["one", "three", "two"]
    assert {row.state for row in report.rows} == {"described"}
    assert [row.result.seconds for row in report.rows] == [7.0, 5.0, 3.0]
    assert report.summary.startswith("3 films described: 0.2 minutes of film, ")
    assert (seen[0].done, seen[0].total, seen[0].unit) == (0, 0.25, "minutes of film")
    assert seen[0].detail == "0 of 3 films"
    assert (seen[-1].done, seen[-1].detail) == (0.25, "3 of 3 films")
    # The longest first; together, films begin together.
    order = ["one", "three", "two"]
    steps = [(name, state) for name in order for state in ("begun", "done")]
    assert lines(tmp_path / "out") == (
        steps if together == 1 else [*((n, "begun") for n in order), *((n, "done") for n in order)]
    )


@pytest.mark.usefixtures("plain_path")
def test_two_workers_a_bad_film_one_twice_and_two_of_one_name(
    films: Path, alone: Path, tiny_model: Path, tmp_path: Path
) -> None:
    shutil.copytree(films, tmp_path / "films")
    (tmp_path / "films/bad.mp4").write_text("nothing")
    (tmp_path / "films/later").mkdir()
    shutil.copy(films / "two.mp4", tmp_path / "films/later/one.mp4")  # of the first one's name, and the second twice
    shutil.copy(films / "three.mkv", tmp_path / "films/later/two.mkv")
    another(tmp_path / "films/later/two.mkv")  # of the second one's name
    out = tmp_path / "out"
    result = run("catalogue", tmp_path / "films", "-o", out, "--workers", 2, "--model", tiny_model, "--no-text")
    assert result.exit_code == 1, result.output
    assert result.stdout.startswith("4 films described, 1 failed, 1 listed twice: 0.3 minutes of film, ")
    assert "Error: " in result.stderr
    assert "bad.mp4 is not a film that can be read" in result.stderr
    assert "two.mp4, which is described once." in result.stderr
    assert "4 of 4 films" in result.stderr
    for name in ("one", "two", "three"):
        assert told(out / f"{name}.calvin")[1:] == told(alone / f"{name}.calvin")[1:]
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == [
        "one.calvin",
        "three.calvin",
        "two-2.calvin",
        "two.calvin",
    ]
    assert told(out / "two-2.calvin")[1:5] == told(alone / "three.calvin")[1:5]
    rows = table(out)
    assert [(Path(row["film"]).name, row["state"], row["project"]) for row in rows] == [
        ("bad.mp4", "failed", ""),
        ("one.mp4", "described", "one.calvin"),
        ("three.mkv", "described", "three.calvin"),
        ("two.mp4", "described", "two.calvin"),
        ("one.mp4", "the same film", ""),
        ("two.mkv", "described", "two-2.calvin"),
    ]
    assert all(float(row["seconds taken"]) > 0 for row in rows if row["state"] == "described")
    page = (out / "catalogue.html").read_text()
    assert "4 films described, 1 failed" in page
    assert page.count("<tr") == 7
    # Given again, nothing is done again but what failed.
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.vtt")}
    again = run("catalogue", tmp_path / "films", "-o", out, "--workers", 2, "--model", tiny_model, "--no-text")
    assert again.stdout.startswith("4 films described (4 of them before), 1 failed")
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.vtt")} == before


@pytest.mark.slow
@pytest.mark.usefixtures("plain_path")
def test_a_killed_worker_loses_no_more_than_its_film(
    films: Path, alone: Path, tiny_model: Path, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_once(event: Progress) -> None:
        # One film is done and the next is under way.
        if not killed and event.detail.startswith("1 of 3 films, "):
            workers = [one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]
            assert len(workers) == 1
            workers[0].kill()
            killed.append(workers[0].pid)

    report = catalogue(films, tmp_path / "out", CatalogueWish(UNREAD, str(tiny_model)), listener=kill_once)
    assert killed
    assert {row.state for row in report.rows} == {"described"}
    assert lines(tmp_path / "out") == [
        ("one", "begun"),
        ("one", "done"),
        ("three", "begun"),
        ("three", "begun"),
        ("three", "done"),
        ("two", "begun"),
        ("two", "done"),
    ]
    assert_same(tmp_path / "out", alone)


def drive(films: Path, out: Path, model: Path) -> None:
    """A driver in a process of its own."""
    catalogue(films, out, CatalogueWish(UNREAD, str(model)))


@pytest.mark.slow
def test_a_killed_driver_loses_no_more_than_the_film_under_way(
    films: Path, alone: Path, tiny_model: Path, captioner: Captioner, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    driver = fork(drive, films, out, tiny_model)
    while not ((out / JOURNAL).exists() and ("three", "begun") in lines(out)):
        assert driver.is_alive()
        time.sleep(0.02)
    workers = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()  # it alone: its worker has to notice
    assert exit_code(driver) == -9
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    assert lines(out) == [("one", "begun"), ("one", "done"), ("three", "begun")]
    kept = (out / "one.calvin/one.vtt").stat().st_mtime_ns
    with (out / JOURNAL).open("ab") as journal:
        journal.write(b'{"film": "half a line')
    with pytest.raises(UsageError, match=r"other options \(context: not given, now 1; model"):
        catalogue(films, out, CatalogueWish(DescribeWish(screen_text=False, context=1)), captioner=captioner)
    report = catalogue(films, out, CatalogueWish(UNREAD, str(tiny_model)), captioner=captioner)
    states = {row.entry.film.stem: row.state for row in report.rows}
    assert states == {"one": "described before", "three": "described", "two": "described"}
    assert (out / "one.calvin/one.vtt").stat().st_mtime_ns == kept
    assert_same(out, alone)


def counted_words(text: str) -> Play:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 900, "completion_tokens": 30}
    body = json.dumps({"choices": [choice], "usage": usage}).encode()
    return lambda handler: send(handler, 200, body)


def test_what_a_server_costs_is_told_and_a_server_that_fails_ends_the_run(films: Path, tmp_path: Path) -> None:
    out, seen = tmp_path / "out", list[Progress]()
    with running(counted_words("A man walks.")) as server:
        server.probe = counted_words("Red.")
        wish = CatalogueWish(UNREAD, server.model)
        report = catalogue(films, out, wish, workers=0, price=Price.parse("1/10"), listener=seen.append)
        answers = len(server.asked) + server.probed
    spent = report.spent
    assert (spent.answers, spent.prompt_tokens, spent.completion_tokens) == (answers, 900 * answers, 30 * answers)
    cost = f"cost {answers * 0.0012:.2f}"
    assert cost in report.summary
    assert cost in seen[-1].detail
    rows = table(out)
    assert sum(float(row["cost"]) for row in rows) == pytest.approx(answers * 0.0012, abs=1e-3)
    shutil.rmtree(out)
    shutil.copytree(films, tmp_path / "more")
    another(Path(shutil.copy(films / "two.mp4", tmp_path / "more/four.mp4")))
    wish = CatalogueWish(UNREAD, server.model)  # which has ended
    with pytest.raises(CalvinError, match=r"failed with 3 films, one after the other \(No model server .*1 film is l"):
        catalogue(tmp_path / "more", out, wish, workers=0)
    rows = table(out)
    assert sorted(row["state"] for row in rows) == ["failed", "failed", "failed", "not begun"]


@pytest.mark.slow
@pytest.mark.usefixtures("plain_path")
@pytest.mark.filterwarnings("default")
def test_a_ray_cluster_gives_the_same_scripts(films: Path, alone: Path, tiny_model: Path, tmp_path: Path) -> None:
    wish, killed = CatalogueWish(UNREAD, str(tiny_model)), list[int]()

    def kill_captioner(event: Progress) -> None:
        if not killed and event.detail.startswith("1 of 3 films"):
            ours = psutil.Process().children(recursive=True)
            [one] = [one for one in ours if "ray::RayDescriber" in " ".join(one.cmdline())]
            one.kill()
            killed.append(one.pid)

    with joined_cluster("The test", 3):
        for captioners, listener in ((0, silent), (1, kill_captioner)):
            out = tmp_path / f"out-{captioners}"
            report = catalogue(films, out, wish, workers=1, ray=True, captioners=captioners, listener=listener)
            assert {row.state for row in report.rows} == {"described"}, report.rows
            assert_same(out, alone)
    assert killed
