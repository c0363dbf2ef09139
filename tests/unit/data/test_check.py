from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from calvin.cli.main import app
from calvin.core.errors import ConfigError, DataError, FeatureError
from calvin.data import FeatureFolder, FeatureWriter, FilmName, SourceConfig, load_source
from calvin.data.features import PAST_END
from calvin.data.sources import evaluation_films, find_overlap, plain_title
from calvin.encode.vectors import make_features

ENCODER = ("tower", "a" * 64)
MAD = (
    "text,start,end,movie,imdb\n"
    "Ann waits.,10,12,1005_Signs,tt0286106\n"
    "He opens the gate.,-1,2,0001_A_Film,tt0000001\n"
    "The closing credits roll.,90,92,0001_A_Film,tt0000001\n"
    "They leave.,15,17,10142,\n"
)


@pytest.fixture
def mad(tmp_path: Path) -> Path:
    (tmp_path / "mad.csv").write_text(MAD)
    return tmp_path / "mad.csv"


def features(path: Path, *names: str, encoder: tuple[str, str] = ENCODER, dim: int = 4) -> Path:
    with FeatureWriter(path, *encoder, fps=5, dim=dim) as writer:
        for name in names:
            writer.add(name, np.ones((200, dim)))
    return path


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["data", *map(str, words)])
    return result.exit_code, result.output


def test_check_says_what_is_there_what_is_dropped_and_what_is_missing(mad: Path, tmp_path: Path) -> None:
    features(tmp_path / "f.h5", "1005_Signs", "0001_A_Film")
    code, said = run("check", mad, "--format", "mad", "--features", tmp_path / "f.h5", "--against", "mad-eval")
    assert code == 1
    for words in (
        "MAD-v2 and MAD-eval CSV",
        "3 video samples of 3 files",
        "dropped 1: credits",
        "repaired 1: negative time, clamped",
        "1 samples without features, of 1 files: 10142",
        "evaluation film: 1005_Signs is Signs",
        "1 films have neither a title nor an IMDb id",
        "broken: 33.33% (1.00% allowed)",
        "<visual> ",
        "-> He opens the gate.",
        "Training would stop on this.",
    ):
        assert words in said
    code, _ = run("check", mad, "--format", "mad", "--stage", 1)
    assert code == 0


def test_scenes_past_the_end_of_their_features_are_broken_and_named(mad: Path, tmp_path: Path) -> None:
    """Of 10 s at 5 frames a second, Ann waits from 10 to 12 s; at a rate of 3 they last 16.7 s, until she has."""
    with FeatureWriter(tmp_path / "f.h5", *ENCODER, fps=5, dim=4) as writer:
        for name in ("1005_Signs", "0001_A_Film", "10142"):
            writer.add(name, np.ones((50, 4)))
    code, said = run("check", mad, "--format", "mad", "--features", tmp_path / "f.h5")
    assert code == 1
    assert "2 samples past the end of its features, which are cut short or at another rate, of 2 files" in said
    assert "1005_Signs/0" in said
    assert "broken: 66.67% (1.00% allowed)" in said
    config = SourceConfig(
        name="mad", format="mad_csv", annotations=mad, features=tmp_path / "f.h5", evaluation_films="allow"
    )
    source = load_source(config, expect_encoder=ENCODER)
    problems = [source.features.problem(s.media_id, s.span) for s in source.samples if source.features]
    assert sorted(problems) == ["", PAST_END, PAST_END]


@pytest.mark.parametrize("made", ["images", "images/00000"])
def test_rows_are_found_in_img2dataset_s_folders(made: str, tiny_tower: Path, tmp_path: Path) -> None:
    for name in ("00000/000000000", "00000/000000001", "00001/000010002"):
        image = tmp_path / "images" / f"{name}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (24, 24)).save(image)
    rows = "".join(f"picture {row}\thttps://example.org/{row}.jpg\n" for row in range(3))
    (tmp_path / "cc3m.tsv").write_text(rows)
    make_features(tmp_path / made, tiny_tower, tmp_path / "f.h5", kind="images")
    code, said = run("check", tmp_path / "cc3m.tsv", "--format", "cc3m", "--features", tmp_path / "f.h5")
    assert code == 1
    assert "1 samples without features, of 1 files: 000000002" in said
    words = ["--kind", "images", "--model", tiny_tower, "--workers", 0, "--annotations", tmp_path / "cc3m.tsv"]
    code, said = run("prepare", tmp_path / made, *words, "--format", "cc3m", "--out", tmp_path / "out")
    assert code == 0
    code, said = run("check", tmp_path / "cc3m.tsv", "--format", "cc3m", "--features", tmp_path / "out")
    assert "1 samples without features, of 1 files: 000000002" in said


def test_training_refuses_evaluation_films_unless_told(mad: Path, tmp_path: Path) -> None:
    path = features(tmp_path / "f.h5", "1005_Signs", "0001_A_Film", "10142")

    def films(**changes: object) -> list[str]:
        config = SourceConfig(name="mad", format="mad_csv", annotations=mad, features=path, **changes)
        return [sample.media_id for sample in load_source(config).samples]

    with pytest.raises(DataError, match=r"1 films that are also evaluation films of mad-eval: 1005_Signs \(Signs\)"):
        films()
    assert films(evaluation_films="drop") == ["0001_A_Film", "10142"]
    assert len(films(evaluation_films="allow")) == 3
    (tmp_path / "test.csv").write_text("text,start,end,movie\nx,1,2,A Film\n")
    with pytest.raises(DataError, match="0001_A_Film"):
        films(against=(str(tmp_path / "test.csv"),))


def test_films_are_the_same_by_id_else_by_title() -> None:
    names = {
        "a": FilmName("tt0286106", "Something Else"),
        "b": FilmName("286106"),
        "c": FilmName("", "3074_THE_ROOMMATE"),
        "d": FilmName("tt0119683", "Les Miserables"),  # another film of that name
        "e": FilmName("", "HANSEL_GRETEL_WITCH_HUNTERS"),
        "f": FilmName("", "Les miserables (2012)"),
        "g": FilmName("", "Signs of Life"),
        "h": FilmName(),
    }
    assert set(find_overlap(names, evaluation_films(["mad-eval"]))) == {"a", "b", "c", "e", "f"}
    assert plain_title("The A") == "the a"
    with pytest.raises(ConfigError, match="neither a file"):
        evaluation_films(["mad-test"])


def test_a_folder_of_features_leaves_out_files_of_another_encoder_or_width(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    features(folder / "a.h5", "x", "y")
    features(folder / "b.h5", "z", encoder=("other", "b" * 64))
    features(folder / "c.h5", "w", dim=5)
    features(folder / "d.safetensors", "x", "v")
    (folder / "e.h5").write_bytes(b"cut")
    (folder / "f.tar").write_bytes(b"")
    store = FeatureFolder.open(folder, expect_encoder=ENCODER, expect_dim=4)
    assert set(store.ids) == {"x", "y", "v"}
    assert store.scene("v", None, 3).shape == (3, 4)
    assert store.report.dropped == {"feature file that cannot be used": 4}
    assert store.report.noted == {"features in two files, the first are taken": 1}
    with pytest.raises(FeatureError, match="no usable feature file"):
        FeatureFolder.open(folder, expect_encoder=("third", "c" * 64))
    with pytest.raises(FeatureError, match="no features of 'z'"):
        store.scene("z", None)


def test_a_wrong_file_among_many_counts_towards_the_share(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    features(folder / "a.h5", *(f"p/{i}" for i in range(99)))
    features(folder / "b.h5", "p/99", encoder=("other", "b" * 64))
    rows = "".join(f"{i},p,clip {'abcdefghij'[i % 10]}\n" for i in range(100))
    (tmp_path / "w.csv").write_text("videoid,page_dir,name\n" + rows)
    config = SourceConfig(name="w", format="webvid", annotations=tmp_path / "w.csv", features=folder)
    source = load_source(config, expect_encoder=ENCODER)
    assert source.report.repaired == {"feature file that cannot be used": 1}
    code, said = run("check", tmp_path / "w.csv", "--format", "webvid", "--features", folder)
    assert (code, "samples without features" in said) == (0, False)  # without a model any encoder will do


def test_a_sheet_of_answers_decides_what_training_sees(mad: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "credits.csv"
    code, said = run("tag-credits", mad, "--format", "mad", "--out", sheet)
    assert code == 0
    assert "1 of 4 scenes are credits" in said
    rows = sheet.read_text().replace(
        "The closing credits roll.,credits,words,", "The closing credits roll.,credits,words,scene"
    )
    sheet.write_text(rows)
    assert "0 of 4 scenes" in run("tag-credits", mad, "--format", "mad", "--out", sheet)[1]
    assert "4 video samples" in run("check", mad, "--format", "mad", "--credits", sheet)[1]
    sheet.write_text(rows.replace(",words,scene", ",words,perhaps"))
    code, said = run("check", mad, "--format", "mad", "--credits", sheet)
    assert code == 1
    assert "write credits or scene" in said


def test_names_are_stripped_into_a_sheet(mad: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("Ann\n")
    words = ("--format", "mad", "--out", tmp_path / "n.csv", "--names", tmp_path / "names.txt")
    code, said = run("strip-entities", mad, *words)
    assert code == 0
    assert "1 of 4 captions changed" in said
    assert "Ann waits.,Someone waits.,capitals," in (tmp_path / "n.csv").read_text()


def test_prepare_from_the_command_line(tiny_tower: Path, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "in").mkdir()
    for i in range(3):
        Image.fromarray(np.full((20, 30, 3), i * 40, np.uint8)).save(tmp_path / f"in/{i:09d}.png")
    (tmp_path / "cc.tsv").write_text("a boat\thttps://x/1.jpg\n\thttps://x/2.jpg\na cat\thttps://x/3.jpg\n")
    code, said = run(
        "prepare", tmp_path / "in", "--kind", "images", "--model", tiny_tower, "--out", tmp_path / "out",
        "--annotations", tmp_path / "cc.tsv", "--format", "cc3m", "--to", "tar", "--workers", 0,
    )  # fmt: skip
    assert code == 0, said
    assert "2 ids, 2 frames in 1 parts" in said
    assert json.loads((tmp_path / "out/prepared.json").read_text())["complete"]
    code, said = run("check", tmp_path / "out", "--format", "webdataset", "--features", tmp_path / "out")
    assert code == 0
    assert "2 image samples of 2 files" in said
