from __future__ import annotations

from pathlib import Path

from calvin.data import read_cc3m, read_cc12m


def tsv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cc.tsv"
    path.write_bytes(text.encode("utf-8"))
    return path


def test_features_are_named_by_row_or_by_url(tmp_path: Path) -> None:
    path = tsv(tmp_path, "a boat\thttps://e.org/x/one.jpg?w=3\n\nbad row\na tree\thttps://e.org/y/two.jpeg\n")
    assert [sample.media_id for sample in read_cc3m(path).samples] == ["000000000", "000000002"]
    assert [sample.media_id for sample in read_cc3m(path, ids="url").samples] == ["one", "two"]


def test_two_urls_with_one_file_name_are_told_apart_by_dropping(tmp_path: Path) -> None:
    path = tsv(tmp_path, "a boat\thttps://e.org/a/image.jpg\na tree\thttps://e.org/b/image.jpg\n")
    result = read_cc3m(path, ids="url")
    assert [sample.caption for sample in result.samples] == ["a boat"]
    assert result.report.dropped["another row has the same file name"] == 1
    assert len(read_cc3m(path).samples) == 2


def test_the_url_is_told_by_its_form(tmp_path: Path) -> None:
    path = tsv(tmp_path, "a boat\thttps://e.org/1.jpg\n")
    assert read_cc12m(path).samples[0].caption == "a boat"
    swapped = tsv(tmp_path, "https://e.org/1.jpg\ta boat\n")
    assert read_cc3m(swapped).samples[0].caption == "a boat"
    both = tsv(tmp_path, "https://e.org/watermark\thttps://e.org/1.jpg\n")
    assert read_cc3m(both).samples[0].caption == "https://e.org/watermark"


def test_a_header_is_passed_over(tmp_path: Path) -> None:
    path = tsv(tmp_path, "caption\turl\na boat\thttps://e.org/1.jpg\n")
    result = read_cc3m(path)
    assert [(sample.caption, sample.media_id) for sample in result.samples] == [("a boat", "000000000")]
    assert result.report.read == 1


def test_quotes_belong_to_captions_unless_they_wrap_a_field(tmp_path: Path) -> None:
    url = "\thttps://e.org/1.jpg\n"
    path = tsv(
        tmp_path,
        f'" the best is yet to come " quote{url}'
        f'"a boat{url}'
        f'"a ""red"" boat, moored"{url}'
        f'"a boat\non a lake"{url}'
        f"plain{url}",
    )
    assert [sample.caption for sample in read_cc3m(path).samples] == [
        '" the best is yet to come " quote',
        '"a boat',
        'a "red" boat, moored',
        "a boat on a lake",
        "plain",
    ]


def test_rows_without_a_url_are_dropped(tmp_path: Path) -> None:
    result = read_cc3m(tsv(tmp_path, "a boat\tnot a url\na tree\t\n"))
    assert not result.samples
    assert result.report.dropped["no URL"] == 2
