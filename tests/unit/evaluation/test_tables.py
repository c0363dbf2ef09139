from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.errors import DataError
from calvin.core.text_tables import csv_text
from calvin.evaluation.tables import join, read_captions, scene_key


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read_pair(folder: Path, predictions: str | bytes, references: str | bytes, suffix: str = ".csv", **options: bool):
    one, other = put(folder / f"p{suffix}", predictions), put(folder / f"r{suffix}", references)
    return join(read_captions(one, "prediction"), read_captions(other, "reference"), **options)


FORMS = {
    ".csv": ("id,caption\nb,he bows\na,she waves\n", "id,reference\na,a wave\na,waving\nb,a bow\n"),
    ".json": ('{"a": "she waves", "b": "he bows"}', '{"a": ["a wave", "waving"], "b": "a bow"}'),
    ".jsonl": (
        '{"image_id": "a", "caption": "she waves"}\n{"image_id": "b", "caption": "he bows"}\n',
        '{"id": "a", "references": ["a wave", "waving"]}\n{"id": "b", "references": ["a bow"]}\n',
    ),
}


@pytest.mark.parametrize("suffix", FORMS)
def test_every_form_gives_the_same_pairs(suffix: str, tmp_path: Path) -> None:
    pairs = read_pair(tmp_path, *FORMS[suffix], suffix)
    assert pairs.ids == ("a", "b")
    assert pairs.candidates == ("she waves", "he bows")
    assert pairs.references == (("a wave", "waving"), ("a bow",))


def test_coco_files_and_lines_of_text(tmp_path: Path) -> None:
    results = json.dumps([{"image_id": 7, "caption": "she waves"}, {"image_id": 8, "caption": "he bows"}])
    notes = json.dumps({"images": [], "annotations": [{"id": 1, "image_id": 7, "caption": "a wave"}]})
    assert read_captions(put(tmp_path / "r.json", results), "prediction").rows == [("7", "she waves"), ("8", "he bows")]
    assert read_captions(put(tmp_path / "a.json", notes), "reference").rows == [("7", "a wave")]
    assert read_pair(tmp_path, "she waves\r\nhe bows\r\n", "a wave\na bow\n", ".txt").ids == ("1", "2")
    with pytest.raises(DataError, match=r"1 reference \('2'\) without a prediction"):
        read_pair(tmp_path, "she waves\n", "a wave\na bow\n", ".txt")


def test_coco_annotations_are_joined_by_their_image(tmp_path: Path) -> None:
    """Ids of annotations may even be those of other images; two people may write the same words."""
    results = json.dumps([{"image_id": 1, "caption": "she waves"}, {"image_id": 2, "caption": "he bows"}])
    texts = [(1, 2, "a bow"), (2, 1, "a wave"), (3, 1, "a wave"), (4, 1, "she waves")]
    notes = [{"id": key, "image_id": image, "caption": text} for key, image, text in texts]
    pairs = read_pair(tmp_path, results, json.dumps({"images": [{"id": 1}], "annotations": notes}), ".json")
    assert dict(zip(pairs.ids, pairs.references, strict=True)) == {
        "2": ("a bow",),
        "1": ("a wave", "a wave", "she waves"),
    }
    with pytest.raises(DataError, match=r"1 reference row \('1'\) twice"):
        read_pair(tmp_path, results, json.dumps({"annotations": [*notes, notes[1]]}), ".json")


def test_lines_without_ids_do_not_meet_a_table(tmp_path: Path) -> None:
    lines = read_captions(put(tmp_path / "p.txt", "she waves\n"), "prediction")
    table = read_captions(put(tmp_path / "r.csv", "id,caption\n1,a wave\n"), "reference")
    with pytest.raises(DataError, match="no ids"):
        join(lines, table)


def test_scenes_known_by_film_and_time(tmp_path: Path) -> None:
    text = 'movie,start,end,text_gt,text_gen\nA_Film,1.5,2,"He nods, once.",he nods\nA_Film,2,3.25,She waves.,a wave\n'
    path = put(tmp_path / "both.csv", "\ufeff" + text)
    references = read_captions(path, "reference")
    pairs = join(read_captions(path, "prediction"), references)
    assert pairs.ids == (scene_key("A_Film", 1.5, 2), "A_Film/2000-3250")
    assert pairs.references[0] == ("He nods, once.",)
    assert pairs.candidates == ("he nods", "a wave")
    assert references.movies[pairs.ids[0]] == "A_Film"


def test_everything_wrong_is_told_at_once_with_counts(tmp_path: Path) -> None:
    predictions = "id,caption\na,x\na,y\nb,\nz,w\n,lost\nc,one,too many\n"
    with pytest.raises(DataError) as caught:
        read_pair(tmp_path, predictions, "id,caption\na,r\nb,r\nc,r\nd,r\nd,r\ne, \n")
    said = str(caught.value)
    for part in (
        "1 row of",
        "without a readable id",
        "1 row of",
        "columns",
        "1 prediction ('a')",
        "1 reference row ('d')",
        "3 references ('c', 'd', 'e') without a prediction",
        "1 prediction ('z') without references",
        "1 item ('e') with an empty reference",
        "1 empty prediction ('b')",
        "Nothing was scored",
    ):
        assert part in said


def test_a_json_key_given_twice_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 prediction given more than once \('a'\)"):
        read_pair(tmp_path, '{"a": "x", "a": "y"}', '{"a": "r"}', ".json")


def test_empty_captions_pass_only_where_allowed(tmp_path: Path) -> None:
    files = ("id,caption\na,\n", "id,caption\na,r\n")
    with pytest.raises(DataError, match="1 empty prediction"):
        read_pair(tmp_path, *files)
    assert read_pair(tmp_path, *files, allow_empty=True).candidates == ("",)


def test_bytes_that_are_not_utf8_are_counted_and_in_ids_refused(tmp_path: Path) -> None:
    table = read_captions(put(tmp_path / "p.csv", b"id,caption\na,caf\xe9\n\xff,x\n"), "prediction")
    assert table.rows == [("a", "caf\ufffd")]
    assert any("2 places with bytes that are not UTF-8" in note for note in table.notes)
    assert "1 row of" in table.problems[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [("p.csv", "a,b\n1,2\n"), ("p.json", "3"), ("p.json", "{"), ("p.csv", ""), ("none.csv", None)],
)
def test_files_of_no_known_form_are_refused(name: str, content: str | None, tmp_path: Path) -> None:
    path = tmp_path / name if content is None else put(tmp_path / name, content)
    with pytest.raises(DataError, match=r"(?:column|holds neither|not whole JSON|cannot be read)"):
        read_captions(path, "prediction")


def test_formulas_are_guarded_and_come_back_as_they_were(tmp_path: Path) -> None:
    caption = "=HYPERLINK(1)"
    text = csv_text(["id", "caption"], [["a", caption], ["b", "- he waves"], ["c", -1.5]])
    rows = list(csv.reader(io.StringIO(text)))
    assert [row[1] for row in rows[1:]] == [f"'{caption}", "'- he waves", "-1.5"]
    assert read_captions(put(tmp_path / "p.csv", text), "prediction").rows[0] == ("a", caption)


@settings(deadline=None)  # files of a shared machine
@given(st.dictionaries(st.text("abc/ ,\"'=é", min_size=1).filter(str.strip), st.text("ab,\"'\n=-+é ", min_size=1)))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, captions: dict[str, str]) -> None:
    wanted = [(" ".join(key.split()), " ".join(text.split())) for key, text in captions.items()]
    path = put(tmp_path_factory.mktemp("t") / "p.csv", csv_text(["id", "caption"], wanted))
    assert read_captions(path, "prediction").rows == wanted
