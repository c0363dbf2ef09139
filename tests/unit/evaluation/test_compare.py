from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calvin.core.errors import UsageError
from calvin.evaluation.compare import compare, comparison_table
from calvin.evaluation.evaluate import EvaluationJob, evaluate, finish
from calvin.evaluation.protocol import MEASURES, PUBLISHED
from calvin.evaluation.report import write_comparison
from calvin.evaluation.results import Results

Make = Callable[..., EvaluationJob]


@pytest.fixture
def system(make_job: Make, parrot: Any, tmp_path: Path) -> Callable[..., Results]:
    """A system that says `right` captions as the references have them, and nonsense for the others."""

    def make(name: str, right: int, context: str = "none", **changes: Any) -> Results:
        job = make_job(context)
        if "reference" in changes:
            first, *rest = job.samples
            job = replace(job, samples=[replace(first, references=(changes["reference"],)), *rest])
        captioner = parrot()
        captioner.info = replace(captioner.info, name=name)
        said = {s.id: s.caption if i < right else "nonsense" for i, s in enumerate(job.samples)}
        captioner.say = lambda request: changes.get("say", said[request.scene.id])
        return finish(evaluate(captioner, job, tmp_path / name), ["rouge", "cider"])

    return make


def test_the_better_system_is_first_and_tested(system: Callable[..., Results]) -> None:
    found = compare([system("worse", 2), system("better", 10)])
    assert [one.name for one in found.systems] == ["better, none", "worse, none"]
    assert (found.ranked, found.unequal, found.warnings()) == (True, {}, [])
    [test] = found.tests["ROUGE-L"]
    assert test.difference == pytest.approx(0.8)
    # Eight of eight differences point one way: 2 / 2 ** 8.
    assert test.p == pytest.approx(2 / 256, abs=0.003)
    assert "distinct captions" not in found.tests
    table = comparison_table(found)
    [first] = [line for line in table.splitlines() if line.startswith("1. better, none")]
    [second] = [line for line in table.splitlines() if line.startswith("2. worse, none")]
    assert first.split()[3] == "100.00"
    assert second.split()[3] == "20.00*"


def test_unequal_cards_are_named_and_not_ranked_unless_told(system: Callable[..., Results]) -> None:
    one, other = system("worse", 2), system("better", 10, "3")
    found = compare([one, other])
    assert not found.ranked
    assert [system.name for system in found.systems] == ["worse, none", "better, 3"]
    assert found.unequal == {"context": ("none", "3 previous captions, from the references")}
    assert "context" in found.warnings()[0]
    told = compare([one, other], rank=True)
    assert told.ranked
    assert told.systems[0].name == "better, 3"
    assert told.unequal == {"context": ("3 previous captions, from the references", "none")}
    assert found.tests["ROUGE-L"][0].difference == -told.tests["ROUGE-L"][0].difference


def test_other_references_are_never_paired(system: Callable[..., Results], tmp_path: Path) -> None:
    found = compare([system("one", 2), system("two", 10, reference="Something else.")], rank=True)
    assert (found.paired, found.tests) == (False, {})
    assert any("not scored against the same references" in words for words in found.warnings())
    text = write_comparison(found, tmp_path / "c.html").read_text()
    assert "<article" not in text


def test_published_rows_are_marked_with_their_source(system: Callable[..., Results], tmp_path: Path) -> None:
    found = compare([system("one", 2), system("two", 10)])
    assert len(found.published) == sum(map(len, PUBLISHED.values())) == 11
    text = write_comparison(found, tmp_path / "c.html").read_text()
    assert text.count("published: ") >= 11
    assert "quoted there from the original paper" in text
    card = found.systems[0].card.changed(split="tvc")
    at_home = compare([replace(one, card=card) for one in found.systems])
    assert {split for split, _ in at_home.published} == {"tvc"}
    # Of this set nobody's numbers could be read; those of other sets are not shown in their place.
    bare = compare([replace(one, card=card.changed(split="cmd-ad")) for one in found.systems])
    assert bare.published == ()
    assert "published" not in comparison_table(bare)
    assert "Sources:" not in write_comparison(bare, tmp_path / "c.html").read_text()


def test_the_papers_numbers_are_as_printed() -> None:
    rows = {(row.system, row.context): row.mapping for table in PUBLISHED.values() for row in table}
    assert rows["CALVIN 7B", "5 scenes"] == dict(zip(MEASURES, (40.18, 27.71, 16.83, 7.76), strict=True))
    assert rows["CALVIN 7B", "names, zero-shot"]["CIDEr-D"] == 38.9
    assert set(rows["AutoAD-II", "characters"]) == {"CIDEr-D", "ROUGE-L"}
    # The paper's own claims of section 4.1: 26% on CIDEr and 68% on BERTScore over the best before.
    ours = rows["CALVIN 7B", "5 scenes"]
    assert ours["CIDEr-D"] / rows["AutoAD-I", "6 scenes"]["CIDEr-D"] == pytest.approx(1.26, abs=0.01)
    assert ours["BERTScore"] / rows["AutoAD-I", "6 scenes"]["BERTScore"] == pytest.approx(1.68, abs=0.01)


def test_the_page_has_a_column_a_system_and_a_mark_a_caption(system: Callable[..., Results], tmp_path: Path) -> None:
    found = compare([system("one", 2), system("<two>", 10, say='a "quoted" <b>caption</b>'), system("three", 5)])
    text = write_comparison(found, tmp_path / "c.html", limit=4).read_text()
    assert text.count("<article") == 4
    assert text.count('type="checkbox" name=') == 12
    assert text.count("acceptable though different</label>") == 12
    assert "<b>caption" not in text
    assert "<two>" not in text
    assert 'id="export"' in text


def test_systems_of_one_name_are_told_apart(system: Callable[..., Results]) -> None:
    one = system("one", 2)
    names = [each.name for each in compare([one, replace(one, folder=None)]).systems]
    assert len(set(names)) == 2


def test_too_little_to_compare_is_refused(system: Callable[..., Results]) -> None:
    one = system("one", 2)
    with pytest.raises(UsageError, match="at least two"):
        compare([one])
    with pytest.raises(UsageError, match="no scores yet"):
        compare([one, replace(one, scores=replace(one.scores, measures=()))])
