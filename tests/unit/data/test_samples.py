from __future__ import annotations

import pytest

from calvin.data import DropReport, media_id_of
from calvin.data.samples import row_numbers


@pytest.mark.parametrize(
    ("path", "media_id"),
    [
        ("coco/train2017/1.jpg", "coco/train2017/1"),
        ("000001_000050/4012.mp4", "000001_000050/4012"),
        ("/a/b.PNG", "a/b"),
        ("a\\b.webm", "a/b"),
        ("show_s01e02_seg02_clip_05", "show_s01e02_seg02_clip_05"),
        ("0001_Mr._Film", "0001_Mr._Film"),
        ("v1.5/x", "v1.5/x"),
    ],
)
def test_features_are_named_by_path_without_suffix(path: str, media_id: str) -> None:
    assert media_id_of(path) == media_id


def test_the_rows_of_img2dataset_s_keys() -> None:
    """Shards of 10,000: the key counts on. Shards of 5,000: it does not, so nothing may be concluded."""
    whole = ["images/00000/000000007", "images/00000/000009990", "images/00001/000010007", "coco/1", "00001/000020000"]
    assert row_numbers(whole) == dict(zip(("000000007", "000009990", "000010007"), whole, strict=False))
    short = [f"00000/{row:09d}" for row in range(5000)]
    assert row_numbers([*short, "00001/000010007"]) == {}
    assert row_numbers(short)["000000007"] == "00000/000000007"
    assert row_numbers(["00000/00000007", "00000/00000990", "00001/00001007"])["000001007"] == "00001/00001007"


def test_reports_count_all_and_show_a_few() -> None:
    report = DropReport(read=20)
    for number in range(10):
        report.drop("too long", f"row {number} " + "x" * 200)
    report.repair("bytes", count=4)
    assert report.total_dropped == 10
    assert len(report.examples["too long"]) == 5
    assert all(len(example) <= 120 for example in report.examples["too long"])
    assert report.summary().splitlines()[0] == "20 read, 10 dropped"
    assert "repaired 4: bytes" in report.summary()


def test_merged_reports_add_up() -> None:
    one, two = DropReport(read=2), DropReport(read=3)
    one.drop("x", "a")
    two.drop("x", "b")
    two.repair("y")
    one.merge(two)
    assert (one.read, one.dropped["x"], one.repaired["y"], one.examples["x"]) == (5, 2, 1, ["a", "b"])
