from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from calvin.core.errors import ConfigError, DataError, FeatureError
from calvin.core.tokens import TokenLayout
from calvin.data import FeatureStore, FeatureWriter, Mixture, SourceConfig, load_source
from calvin.data.identity import source_identity
from calvin.data.sources import open_samples, read_samples

ENCODER = ("tower", "a" * 64)
MAD = (
    "text,start,end,movie\n"
    "A studio logo glows.,0,2,film\n"
    "Ann waits.,10,12,film\n"
    "He opens the gate.,20,22,film\n"
    "They leave.,15,17,film\n"
    "Elsewhere it rains.,1,2,other\n"
)


@pytest.fixture
def features(tmp_path: Path) -> Path:
    with FeatureWriter(tmp_path / "features.h5", *ENCODER, fps=5, dim=4) as writer:
        for name in ("film", "other", "p/1", "p/2"):
            writer.add(name, np.ones((200, 4)))
    return tmp_path / "features.h5"


def config(tmp_path: Path, features: Path, format: str, text: str, **changes: object) -> SourceConfig:
    path = tmp_path / "annotations"
    path.write_text(text)
    return SourceConfig.load(
        {"name": "mine", "format": format, "annotations": path, "features": features, **changes}, "recipe"
    )


def test_mad_loses_its_credits_before_they_become_context(tmp_path: Path, features: Path) -> None:
    source = load_source(config(tmp_path, features, "mad_csv", MAD), expect_encoder=ENCODER, expect_dim=4)
    assert [(sample.caption, sample.context) for sample in source.samples] == [
        ("Ann waits.", ()),
        ("They leave.", ("Ann waits.",)),
        ("He opens the gate.", ("Ann waits.", "They leave.")),
        ("Elsewhere it rains.", ()),
    ]
    assert source.kind == "video"
    assert source.report.dropped == {"credits": 1}
    assert source.report.read == 5


def test_cleaning_and_context_can_be_left_out(tmp_path: Path, features: Path) -> None:
    source = load_source(config(tmp_path, features, "mad_csv", MAD, clean=False, context=0, limit=2))
    assert [sample.caption for sample in source.samples] == ["A studio logo glows.", "Ann waits."]
    assert not any(sample.context for sample in source.samples)


def test_webvid_is_scrubbed_and_goes_into_a_mixture(tmp_path: Path, features: Path, layout: TokenLayout) -> None:
    text = 'videoid,page_dir,name\n1,p,"Waves, 4k"\n2,p,1920x1080\n2,p,A cat\n'
    source = load_source(config(tmp_path, features, "webvid", text, weight=2.5, cache_mb=0, max_bad_share=0.5))
    assert [sample.caption for sample in source.samples] == ["Waves", "A cat"]
    assert isinstance(source.features, FeatureStore)
    batch = Mixture([source], layout, batch_sizes={"video": 2}).batch_at(0)
    assert batch["image_embeds"].shape == (2, 32, 4)


WEBVID = 'videoid,contentUrl,duration,page_dir,name\n1,u,PT00H00M02S,p,"Ann waves, 4k 1920x1080"\n'
BOX = "Please provide the bounding box coordinate of the region this sentence describes: a man."
LLAVA = json.dumps(
    [
        {
            "id": "1",
            "image": "p/1.jpg",
            "conversations": [
                {"from": "human", "value": "<image>\nWhat is it?"},
                {"from": "gpt", "value": "A man."},
                {"from": "human", "value": BOX},
                {"from": "gpt", "value": "[0.1,0.2,0.3,0.4]"},
            ],
        }
    ]
)


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize(
    ("what", "format", "text", "more"),
    [
        ("credits", "mad_csv", MAD, "A studio logo glows."),
        ("numbers", "webvid", WEBVID, "Ann waves, 4k 1920x1080"),
        ("boxes", "llava", LLAVA, "[0.1,0.2,0.3,0.4]"),
    ],
)
def test_each_part_of_the_cleaning_can_be_left_out_by_itself(
    tmp_path: Path, features: Path, monkeypatch: pytest.MonkeyPatch,
    what: str, format: str, text: str, more: str, indexed: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr("calvin.data.sources.INDEXED_FROM", 0 if indexed else 10**9)
    found = {}
    for kept in ((), ("numbers",), ("boxes",), ("credits",)):
        source = config(tmp_path, features, format, text, leave_in=kept)
        found[kept] = [sample.caption for sample in open_samples(source).samples]
    assert more not in found[()]
    assert more in found[what,]
    others = [captions for kept, captions in found.items() if kept != (what,)]
    assert all(captions == found[()] for captions in others)


def test_what_is_not_left_in_is_no_part_of_an_identity(tmp_path: Path, features: Path) -> None:
    usual, other = (config(tmp_path, features, "mad_csv", MAD, leave_in=kept) for kept in ((), ("credits",)))
    assert "leave_in" not in source_identity(usual)
    assert source_identity(other)["leave_in"] == ["credits"]


def test_reader_options_reach_the_reader(tmp_path: Path, features: Path) -> None:
    text = "text,start,end,movie\nA door.,-1,2,film\n"
    assert len(load_source(config(tmp_path, features, "mad_csv", text)).samples) == 1
    dropping = config(tmp_path, features, "mad_csv", text, options={"negative": "drop"})
    assert not load_source(dropping).samples


def test_another_encoder_is_refused(tmp_path: Path, features: Path) -> None:
    with pytest.raises(FeatureError, match="other"):
        load_source(config(tmp_path, features, "mad_csv", MAD), expect_encoder=("other", "b" * 64))


def test_mad_features_are_taken_at_the_recipe_s_word(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "mad.h5", "w") as file:
        file["film"], file["other"] = np.ones((200, 4)), np.ones((9, 4))
    stated = config(tmp_path, tmp_path / "mad.h5", "mad_csv", MAD, stated_encoder=ENCODER)
    source = load_source(stated, expect_encoder=ENCODER)
    assert "5 frames per second" in source.report.examples["features without a frame rate"][0]


def test_recipes_with_mistakes_are_refused(tmp_path: Path, features: Path) -> None:
    with pytest.raises(ConfigError, match="There is no data format 'madd': choose from mad_v1, mad_csv"):
        config(tmp_path, features, "madd", MAD)
    with pytest.raises(ConfigError, match="weight"):
        config(tmp_path, features, "mad_csv", MAD, weight=-1)


def test_names_present_are_attached_by_movie_and_span(tmp_path: Path, features: Path) -> None:
    (tmp_path / "names.jsonl").write_text(
        '{"movie": "film", "start": 10, "end": 12.0, "names": ["Ann", "Bob"]}\n'
        '{"movie": "other", "start": 10, "end": 12, "names": ["Cy"]}\n'
    )
    named = config(tmp_path, features, "mad_csv", MAD, entities=tmp_path / "names.jsonl")
    assert [sample.entities for sample in load_source(named).samples] == [("Ann", "Bob"), (), (), ()]
    (tmp_path / "names.jsonl").write_text('{"movie": "film", "start": 10}\n')
    with pytest.raises(DataError, match="needs movie, start, end and names"):
        load_source(named)


def test_mads_format_and_encoder_are_written_as_people_do(tmp_path: Path) -> None:
    header = "movie,sentence,movie_duration,start,end,imdb,lsmdc_filename,start_hms,end_hms"
    (tmp_path / "mad.csv").write_text(f"{header}\n0001_A_Film,Ann waves.,9,1,2,tt1,x,0,0\n")
    (tmp_path / "mad.json").write_text('{"1": {"movie": "2", "sentence": "Bob bows.", "timestamps": [1, 2]}}')
    fields = {"name": "mad", "format": "mad", "features": tmp_path / "mad.h5", "stated_encoder": "clip"}
    for file, caption in (("mad.csv", "Ann waves."), ("mad.json", "Bob bows.")):
        config = SourceConfig.load({**fields, "annotations": tmp_path / file}, source="test")
        assert [sample.caption for sample in read_samples(config).samples] == [caption]
        assert config.stated_encoder == ("clip", "")
