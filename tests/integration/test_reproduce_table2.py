"""`calvin reproduce table2`: names given and no context, beside a blind model and captioners that are named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from calvin.captioners.base import CaptionAnswer, CaptionerInfo, CaptionRequest, Need, OpenOptions
from calvin.captioners.calvin import Calvin
from calvin.cli.main import app
from calvin.data import FeatureWriter
from calvin.evaluation.protocol import PUBLISHED
from calvin.lab.evaluation_sets import ZERO_SEED
from calvin.lab.reproduce import zero_shot
from calvin.lab.reproduce.orderings import CIDER, MEASURES
from calvin.lab.reproduce.verdicts import verdict_on
from calvin.lab.reproduce.work_shares import DONE
from calvin.lab.reproduce.zero_shot import BLIND, OURS, key_of_captioner, orderings_against, published_rows, zero_set
from tiny_video_llms import save_tiny_language_model


def run(*words: object):
    return CliRunner().invoke(app, ["reproduce", "table2", *map(str, words)])


class Watcher:
    """A captioner that needs stills, and says whom it was told of."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], tuple[str, ...], int]] = []

    @property
    def info(self) -> CaptionerInfo:
        return CaptionerInfo("watcher", "w1")

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"frames"})

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        for one in requests:
            stills = one.scene.frames() if one.scene.frames is not None else []
            self.asked.append((tuple(one.prompt.entities), tuple(one.prompt.context), len(stills)))
        return [CaptionAnswer(f"A door opens and {one.prompt.entities[0]} waves.", 0.0) for one in requests]


@pytest.fixture
def clips(tiny_model: Path, tmp_path: Path) -> Path:
    """A data file of two clips of TV, of two moments each, as folders of stills, and their frame vectors."""
    rows = []
    for clip, show in (("one_seg01_clip_00", "one"), ("two_seg01_clip_00", "two")):
        folder = tmp_path / "stills" / clip
        folder.mkdir(parents=True)
        for number in range(12):
            cv2.imwrite(str(folder / f"{number:05d}.jpg"), np.full((24, 32, 3), number * 9, np.uint8))
        for start, name in ((0.0, "Ann"), (2.0, "Ben")):
            rows.append({"vid_name": clip, "ts": [start, start + 2], "clip_id": f"{show}{start}", "duration": 4.0,
                         "descs": [{"desc": f"A door opens and {name} waves.", "type": "v", "from": "t"}]})  # fmt: skip
    (tmp_path / "tvc.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with FeatureWriter(tmp_path / "tvc.h5", *Calvin.from_pretrained(tiny_model).encoder, fps=3.0, dim=24) as writer:
        for clip in ("one_seg01_clip_00", "two_seg01_clip_00"):
            writer.add(clip, np.random.default_rng(len(clip)).normal(size=(12, 24)))
    file = tmp_path / "data.toml"
    file.write_text(
        '[model]\nlanguage = "a"\nvision = "b"\n\n[evaluation]\nannotations = "tvc.jsonl"\nfeatures = "tvc.h5"\n'
        'format = "tvc"\n'
    )
    return file


def test_table_2_on_clips_of_a_data_file(
    tiny_model: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    watcher, real = Watcher(), zero_shot.open_captioner
    zero_shot._opened.cache_clear()

    def opened(name: str, options: OpenOptions):
        return watcher if name == "other" else real(name, options)

    monkeypatch.setattr(zero_shot, "open_captioner", opened)
    blind = f"blind:{save_tiny_language_model(tmp_path / 'language')}"
    out = tmp_path / "out"
    command = ["--data", clips, "-m", tiny_model, "--captioner", "other", "--captioner", blind, "--metrics", "cider"]
    command += ["-o", out]
    refused = run(*command)
    assert refused.exit_code == 2
    assert 'clips = "FOLDER"' in " ".join(refused.stderr.split())
    clips.write_text(clips.read_text() + 'clips = "stills"\nstills_at = 3.0\n')

    first = run(*command, "--part", "1/3")
    assert first.exit_code == 0, first.output
    assert "2 runs are still to be made" in first.stderr
    [done] = out.glob(f"runs/*/{DONE}")
    assert done.parent.name == f"{key_of_captioner('other')}-seed-0", "those that are named come first"
    assert [(names, context) for names, context, _ in watcher.asked] == [(("Ann",), ()), (("Ben",), ())] * 2
    assert all(stills > 0 for *_, stills in watcher.asked)
    made = run(*command)
    assert made.exit_code == 0, made.output
    assert len(watcher.asked) == 4, "a run is made once"

    results = json.loads((out / "results.json").read_text())
    keys = [row["key"] for row in results["rows"]]
    assert keys == ["video-llama", "moviechat", "video-llava", BLIND, key_of_captioner("other"), OURS]
    scored = {row["key"]: row["scores"] for row in results["rows"] if row["scores"]}
    assert list(scored) == keys[3:]
    assert scored[key_of_captioner("other")]["CIDEr-D"]["0"].keys() == scored[OURS]["CIDEr-D"]["0"].keys()
    paper = {row["key"]: row["paper"] for row in results["rows"]}
    assert paper[OURS] == {"BERTScore": 52.16, "CIDEr-D": 38.9, "ROUGE-L": 20.1, "SPICE": 14.27}
    assert paper[BLIND] == {}
    # The untrained model says nothing of use; the other says the words of the references.
    [verdict] = results["verdicts"]
    assert (verdict["verdict"], verdict["counted"]) == ("does not hold", False)
    assert verdict["weakest"] == f"{OURS} above {key_of_captioner('other')}"
    assert "orderings of the paper:" not in (out / "report.md").read_text(), "none of the nineteen is here"
    captions = [
        json.loads(line) for line in (out / "runs" / "calvin-seed-0" / "captions.jsonl").read_text().splitlines()
    ]
    assert [caption["entities"] for caption in captions] == [["Ann"], ["Ben"]] * 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--films", 3], "leave --films out; more --seeds"),
        (["--rows", "clavin"], "There is no row 'clavin'; there are: calvin"),
        (["--set", "steps=2"], "table2 trains nothing here"),
        (["--metrics", "rouge"], "name cider among the metrics"),
    ],
)
def test_what_table_2_has_no_use_for_is_refused(words: list[object], said: str, tmp_path: Path) -> None:
    result = run(*words, "-o", tmp_path / "out")
    assert result.exit_code != 0
    assert said in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", ["table1", "figure8", "table4"])
def test_captioners_are_for_table_2(target: str) -> None:
    result = CliRunner().invoke(app, ["reproduce", target, "--captioner", "blind"])
    assert f"--captioner adds a row to table2: leave it out of {target}" in " ".join(result.stderr.split())


def test_the_papers_own_numbers_have_its_order() -> None:
    rows = {row.key: row.values for row in published_rows()}
    ours = PUBLISHED["tvc"][-1].mapping
    orderings = orderings_against(list(rows), MEASURES)
    assert [one.measure for one in orderings] == [CIDER, "BERTScore", "ROUGE-L", "SPICE"]
    for one in orderings:
        scores = {key: {0: {"film": values[one.measure]}} for key, values in {**rows, OURS: ours}.items()}
        # One film is never sure, but the direction is there.
        assert verdict_on(one, scores).kind == "holds, not surely"
        best = max(values[one.measure] for values in rows.values())
        assert f"{ours[one.measure]:g}, next best {best:g}" in one.source
    assert orderings_against([], MEASURES) == []


def test_rows_and_films_have_names_of_their_own() -> None:
    names = ("openai:http://a:1/v1#x", "openai:http://a:1/v1#X", "openai/http/a/1/v1/x", "/a/b")
    keys = [key_of_captioner(name) for name in names]
    assert len(set(keys)) == len(names)
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for key in keys)
    assert [zero_set(seed) for seed in (0, 1, 2)] == [
        "puppet-zero", f"puppet-zero:{ZERO_SEED + 1}", f"puppet-zero:{ZERO_SEED + 2}",
    ]  # fmt: skip
