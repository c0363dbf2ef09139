from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calvin.core.errors import DataError
from calvin.core.prompts import Prompt
from calvin.data import read_llava
from calvin.data.readers.registry import read


def human(value: Any) -> dict[str, Any]:
    return {"from": "human", "value": value}


def gpt(value: Any) -> dict[str, Any]:
    return {"from": "gpt", "value": value}


def llava(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "llava.json"
    path.write_text(json.dumps(list(rows)), encoding="utf-8")
    return path


@pytest.mark.parametrize("value", ["<image>\nWhat is this?", "What is this?\n<image>", "What is <image> this?"])
def test_the_image_mark_may_stand_anywhere(value: str, tmp_path: Path) -> None:
    row = {"id": "1", "image": "vg/VG_100K/1.jpg", "conversations": [human(value), gpt("A boat.")]}
    (sample,) = read_llava(llava(tmp_path, row)).samples
    assert sample.question == "What is this?"
    assert sample.media_id == "vg/VG_100K/1"


def test_rows_of_films_and_of_several_images_are_not_text_only(tmp_path: Path) -> None:
    turns = [human("<image>\nWhat?"), gpt("A boat.")]
    rows = [{"id": "1", "video": "a.mp4"}, {"id": "2", "image": ["a.jpg", "b.jpg"]}, {"id": "3"}]
    report = read_llava(llava(tmp_path, *({**row, "conversations": turns} for row in rows))).report
    assert report.dropped == {"a film or several images, not one image": 2, "text only, no image": 1}
    assert report.bad == 0


def test_one_sample_a_turn_with_earlier_turns_as_context(tmp_path: Path) -> None:
    row = {
        "id": "1",
        "image": "a.jpg",
        "conversations": [
            human("<image>\nWhat?"),
            gpt("A boat."),
            human("Where?"),
            gpt("On a lake."),
            human("Why?"),
            gpt("?"),
        ],
    }
    samples = read_llava(llava(tmp_path, row)).samples
    assert [(sample.question, sample.caption) for sample in samples] == [
        ("What?", "A boat."),
        ("Where?", "On a lake."),
        ("Why?", "?"),
    ]
    assert [sample.context for sample in samples] == [
        (),
        ("What? A boat.",),
        ("What? A boat.", "Where? On a lake."),
    ]


def test_coordinate_turns_are_dropped_one_by_one(tmp_path: Path) -> None:
    row = {
        "id": "1",
        "image": "a.jpg",
        "conversations": [
            human("<image>\nPlease provide the bounding box coordinate of the region this sentence describes: a hat."),
            gpt("[0.06,0.7,0.27,0.79]"),
            human("Please provide a short description for this region: [0.06,0.7,0.27,0.79]."),
            gpt("a red hat"),
            human("What colour is it?"),
            gpt("Red."),
        ],
    }
    result = read_llava(llava(tmp_path, row))
    assert [(sample.question, sample.caption, sample.context) for sample in result.samples] == [
        ("What colour is it?", "Red.", ())
    ]
    assert result.report.dropped == {"coordinate turn": 2}


def test_conversations_without_an_image_are_counted_once_each(tmp_path: Path) -> None:
    text = {"id": "t", "conversations": [human("Hi"), gpt("Hello"), human("Bye"), gpt("Goodbye")]}
    seen = {"id": "i", "image": "a.jpg", "conversations": [human("<image>"), gpt("A boat.")]}
    result = read_llava(llava(tmp_path, text, text, {**text, "image": None}, seen))
    assert result.report.dropped["text only, no image"] == 3
    assert result.report.read == 4


def test_what_does_not_pair_up_is_counted(tmp_path: Path) -> None:
    row = {
        "image": "a.jpg",
        "conversations": [
            gpt("Hello."),
            human("First?"),
            human("Second?"),
            gpt("Answer."),
            {"from": "robot", "value": "x"},
            {"from": "system", "value": "be kind"},
            "nonsense",
            human("Third?"),
            gpt(""),
            human("Last?"),
        ],
    }
    result = read_llava(llava(tmp_path, row, {"image": "b.jpg"}, 7))
    assert [(sample.question, sample.caption) for sample in result.samples] == [("Second?", "Answer.")]
    assert result.report.dropped == {
        "answer without a question": 1,
        "question without an answer": 2,
        "turn of an unknown speaker": 2,
        "empty answer": 1,
        "no conversation": 2,
    }


def test_lone_surrogates_of_escaped_unicode_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "llava.json"
    path.write_text(
        '[{"id": "1", "image": "a.jpg", "conversations": [{"from": "human", "value": "What?"}, '
        '{"from": "gpt", "value": "A smile \\ud83d\\ude00 and half \\ud83d of one."}]}]'
    )
    result = read_llava(path)
    assert result.samples[0].caption == "A smile \U0001f600 and half \ufffd of one."
    assert result.report.repaired["bytes that are not UTF-8"] == 1


def test_an_object_in_place_of_a_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "llava.json"
    path.write_text("{}")
    with pytest.raises(DataError, match="a list of conversations"):
        read_llava(path)


def test_turns_are_context_unless_the_papers_blank_is_asked_for(tmp_path: Path) -> None:
    said = ["<image>\nWhat is it?", "A ball.\n\nIt is\nred.", "Whose is it?", "Ann's."]
    speakers = ("human", "gpt") * 2
    turns = [{"from": who, "value": text} for who, text in zip(speakers, said, strict=True)]
    path = tmp_path / "llava.json"
    path.write_text(json.dumps([{"id": "1", "image": "a.jpg", "conversations": turns}]))
    with_turns, blank = (read("llava", path, **options).samples for options in ({}, {"turns": False}))
    assert with_turns[1].context == ("What is it? A ball. It is red.",)
    assert Prompt("Whose is it?", with_turns[1].context).text == "What is it? A ball. It is red. Whose is it?"
    assert [sample.context for sample in blank] == [(), ()]
    assert Prompt("Whose is it?", blank[1].context).text == " Whose is it?"
