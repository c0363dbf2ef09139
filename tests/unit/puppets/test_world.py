from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from calvin.core.errors import UsageError
from calvin.data.readers.registry import READERS
from calvin.puppets.draw.video import film_frames
from calvin.puppets.lexicon import NAMES
from calvin.puppets.tell.screenplay import make_film
from calvin.puppets.truth import SceneTruth, action_of, names_in, score_caption
from calvin.puppets.world import CLIP_SIZE, WorldSizes, write_world

SIZES = WorldSizes(films=3, scenes=5, clips=4, images=6, conversations=30, tv_clips=2)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"), 3, SIZES, "train", workers=1)


@pytest.fixture(scope="module")
def heldout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sizes = SIZES.changed(films=2, clips=0, images=0, conversations=0, tv_clips=0)
    return write_world(tmp_path_factory.mktemp("heldout"), 3, sizes, "heldout", workers=2)


def truths(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 5
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_mad_like_training_rows(world: Path) -> None:
    with (world / "mad/mad.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["text", "start", "end", "movie"]
    told = truths(world / "mad")
    credits = [row for row in rows if re.search("title|credits", row["text"])]
    assert len(rows) - len(credits) == len(told) == 15
    assert credits
    bank = json.loads((world / "mad/characters.json").read_text())
    by_text = {(row["movie"], row["text"]): row for row in rows}
    for item in told:
        row = by_text[item["film"], item["caption"]]
        truth = SceneTruth.from_json({key: item[key] for key in item if key not in ("media", "caption")})
        assert float(row["start"]) * 1000 <= truth.start_ms
        assert float(row["end"]) * 1000 == truth.end_ms
        cast = [person["role"] for person in bank[item["film"]]]
        assert score_caption(item["caption"], truth, cast)["names_exact"]
        assert all(set(person) == {"id", "name", "role"} for person in bank[item["film"]])


def test_mad_like_films_show_what_the_truth_says(world: Path) -> None:
    film_id = truths(world / "mad")[0]["film"]
    film = make_film(300_000, SIZES.scenes, talk=SIZES.talk)
    assert film.id == film_id
    stored = frames_of(world / f"mad/videos/{film_id}.mp4")
    drawn = list(film_frames(film, *CLIP_SIZE, 5))
    assert len(stored) == len(drawn) == round(film.duration_ms / 200)
    assert stored[0].shape == (128, 224, 3)
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(stored, drawn, strict=True)) < 4


def test_mad_like_evaluation_rows(heldout: Path) -> None:
    with (heldout / "mad/mad.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert ",".join(rows[0]) == "movie,sentence,movie_duration,start,end,imdb,lsmdc_filename,start_hms,end_hms"
    assert len(rows) == 10
    for row, truth in zip(rows, truths(heldout / "mad"), strict=True):
        assert row["sentence"] == truth["caption"]
        assert float(row["start"]) * 1000 == truth["start_ms"]
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", row["start_hms"])
        assert row["lsmdc_filename"].startswith(row["movie"])


def test_webvid_like_clips_have_stray_captions(world: Path) -> None:
    with (world / "webvid/webvid.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert ",".join(rows[0]) == "videoid,contentUrl,duration,page_dir,name"
    for row, truth in zip(rows, truths(world / "webvid"), strict=True):
        assert truth["media"] == f"{row['page_dir']}/{row['videoid']}"
        assert frames_of(world / "webvid/videos" / f"{truth['media']}.mp4")
        assert re.fullmatch(r"PT00H00M\d\dS", row["duration"])
        assert row["name"].startswith(truth["caption"].rstrip("."))
        assert not names_in(row["name"], NAMES)


def test_cc3m_like_images(world: Path) -> None:
    lines = (world / "cc3m/cc3m.tsv").read_text().splitlines()
    assert len(lines) == 6
    for number, (line, truth) in enumerate(zip(lines, truths(world / "cc3m"), strict=True)):
        caption, url = line.split("\t")
        assert url == f"https://puppets.example/{number:09d}.jpg"
        assert action_of(caption) == truth["action"]
        with Image.open(world / "cc3m/images" / f"{truth['media']}.jpg") as image:
            assert image.size == CLIP_SIZE


def test_llava_like_conversations(world: Path) -> None:
    rows = json.loads((world / "llava/llava.json").read_text())
    assert len(rows) == 30
    pictured = [row for row in rows if "image" in row]
    assert 20 <= len(pictured) < 30
    for row in pictured:
        assert (world / "llava/images" / row["image"]).is_file()
        turns = row["conversations"]
        assert [turn["from"] for turn in turns] == ["human", "gpt"] * (len(turns) // 2)
        assert turns[0]["value"].startswith("<image>\n") or turns[0]["value"].endswith("\n<image>")
        boxes = [turn["value"] for turn in turns if re.fullmatch(r"\[[\d.]+(,[\d.]+){3}\]", turn["value"])]
        assert len(boxes) == 1


def test_tvc_like_moments(world: Path) -> None:
    rows = [json.loads(line) for line in (world / "tvc/tvc.jsonl").read_text().splitlines()]
    assert len(rows) == 6
    for row, truth in zip(rows, truths(world / "tvc"), strict=True):
        assert set(row) == {"vid_name", "duration", "ts", "clip_id", "descs"}
        assert all(set(desc) == {"desc", "type", "from_retrieval", "desc_id"} for desc in row["descs"])
        assert {action_of(desc["desc"]) for desc in row["descs"]} == {truth["action"]}
        stills = sorted((world / "tvc/frames" / row["vid_name"]).glob("*.jpg"))
        assert len(stills) == round(row["duration"] * 3)
        assert stills[0].name == "00001.jpg"
        assert 0 < row["ts"][0] < row["ts"][1] <= row["duration"]


@pytest.mark.parametrize(
    ("name", "file"),
    [("mad_csv", "mad/mad.csv"), ("webvid", "webvid/webvid.csv"), ("cc3m", "cc3m/cc3m.tsv"),
     ("llava", "llava/llava.json"), ("tvc", "tvc/tvc.jsonl")],
)  # fmt: skip
def test_the_readers_of_the_real_sets_read_it(world: Path, name: str, file: str) -> None:
    result = READERS[name].load()(world / file)
    media = {item["media"] for item in truths((world / file).parent)}
    assert {sample.media_id for sample in result.samples} == media


def test_a_stopped_run_goes_on_and_makes_nothing_twice(world: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.rglob("*.mp4")}
    gone = next(iter(before))
    whole = gone.read_bytes()
    gone.unlink()
    seen = []
    write_world(world, 3, SIZES, "train", workers=1, listener=seen.append)
    assert gone.read_bytes() == whole
    assert all(path.stat().st_mtime_ns == time for path, time in before.items() if path != gone)
    assert (seen[0].done, seen[-1].done) == (seen[0].total - 1, seen[0].total)
    assert not [path for path in world.rglob(".*") if path.name != ".done"]


def test_another_world_is_not_mixed_in(world: Path) -> None:
    with pytest.raises(UsageError, match="another seed"):
        write_world(world, 4, SIZES, "train", workers=1)
