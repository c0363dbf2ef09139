from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from calvin.core.prompts import TRAINING_QUESTIONS
from calvin.data import Example, Sample, SourceConfig, read_mad_csv, read_samples, read_webvid, with_context
from calvin.data.cleaning import KeywordCredits, remove_credits
from calvin.lab.material import PuppetMaterial
from calvin.puppets.lexicon import NAMES
from calvin.puppets.truth import SceneTruth, action_of, names_in, read_told, score_caption
from calvin.puppets.world import WorldSizes, stray_of, write_world
from calvin.training.recipes import MICRO

SIZES = WorldSizes(films=2, scenes=8, clips=30, images=0, conversations=0, tv_clips=0, picture=(32, 16))


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> PuppetMaterial:
    folder = tmp_path_factory.mktemp("material")
    write_world(folder / "train", 0, SIZES, "train", workers=1)
    return PuppetMaterial(MICRO.world, folder)


def truths(folder: Path) -> dict[str, list[SceneTruth]]:
    found: dict[str, list[SceneTruth]] = {}
    for media, _, truth in read_told(folder / "truth.jsonl"):
        found.setdefault(media, []).append(truth)
    return found


def test_clips_told_anew_say_what_happens_or_what_is_to_be_seen(material: PuppetMaterial) -> None:
    vary = material.vary("webvid_clips", {}, None)
    assert vary is not None
    folder = material.folder / "train" / "webvid"
    known, by_details, wordings = truths(folder), 0, set()
    for sample in read_webvid(folder / "webvid.csv").samples:
        (truth,) = known[sample.media_id]
        for epoch in range(6):
            told = vary(sample, epoch)
            assert told == vary(sample, epoch)
            assert not names_in(told.caption, truth.present)
            wordings.add(told.caption)
            if told.question is None:
                assert action_of(told.caption) == truth.action
                continue
            by_details += 1
            assert truth.place in told.caption
            assert truth.prop is None or f"he {truth.prop}," in told.caption
            assert all(f"in a{'n' * (look[0] in 'aeiou')} {look}" in told.caption for look in coats(truth))
    assert 0.2 < by_details / 180 < 0.6
    assert len(wordings) > 100


def coats(truth: SceneTruth) -> list[str]:
    return [f"{truth.looks[name].coat} {truth.looks[name].garment}" for name in truth.present]


def test_scenes_of_films_are_told_with_names_or_as_clips_without(material: PuppetMaterial) -> None:
    folder = material.folder / "train" / "mad"
    named, nameless = material.vary("mad", {}, None), material.vary("mad_clips", {}, None)
    assert named is not None
    assert nameless is not None
    known = truths(folder)
    for sample in read_mad_csv(folder / "mad.csv").samples:
        assert sample.span is not None
        span = sample.span
        truth = max(known[sample.media_id], key=lambda scene: scene.span.overlap_ms(span))
        if not truth.span.overlap_ms(span):
            continue  # credits
        told = named(sample, 1)
        assert score_caption(told.caption, truth, ())["action"]
        assert len(told.entities) == len(truth.present)
        assert action_of(nameless(sample, 1).caption) in (truth.action, None)


def test_what_is_not_told_anew_stays_as_it_is(material: PuppetMaterial) -> None:
    assert material.vary("webvid", {}, None) is None
    assert material.vary("cc", {}, None) is None


def test_films_are_told_after_prompts_of_the_forms_that_a_stage_asks_for(
    material: PuppetMaterial, tmp_path: Path
) -> None:
    read = remove_credits(read_mad_csv(material.folder / "train" / "mad" / "mad.csv"), KeywordCredits())
    rows = with_context(read.samples)
    kept = {
        media: [f"{media} line {number}." for number in range(SIZES.scenes)] for media in {r.media_id for r in rows}
    }
    lines = [json.dumps({"media": media, "captions": texts}) + "\n" for media, texts in kept.items()]
    (tmp_path / "own.jsonl").write_text("".join(lines))
    forms = {"bare": 0.5, "entities": 0.25, "own": 0.25}
    plain, vary = (material.vary("mad", forms, own) for own in (None, tmp_path))
    assert vary is not None
    assert repr(vary) != repr(plain), "a run goes on only with the captions that it had"
    found: Counter[str] = Counter()
    for row in rows:
        for epoch in range(10):
            example = vary(row, epoch)
            assert isinstance(example, Example)
            assert example == vary(row, epoch)
            assert example.prompt.question in TRAINING_QUESTIONS
            assert len(example.prompt.context) <= len(row.context)
            form = "entities" if example.prompt.entities else "bare"
            if any(" line " in line for line in example.prompt.context):
                form = "own"
            if form != "entities":
                assert not names_in(example.caption, NAMES), "nobody was introduced"
            found[form] += 1
    assert 0.15 < found["entities"] / found.total() < 0.35
    assert found["own"] > 0.1 * found.total()


def test_text_beside_the_films_is_of_these_forms_too(material: PuppetMaterial) -> None:
    texts = material.examples_at(3, 64, {"bare": 1.0})
    assert texts == material.examples_at(3, 64, {"bare": 1.0})
    assert sum(bool(names_in(text.caption, NAMES)) for text in texts) <= 8
    assert sum(bool(names_in(text.caption, NAMES)) for text in material.examples_at(3, 64, {})) > 32


def test_what_cleaning_leaves_in_is_still_there_when_a_source_is_told_anew(material: PuppetMaterial) -> None:
    """Credits are no scene and stay as they are; a date at the end of a clip's caption stays behind other words."""
    rows = SourceConfig(
        name="mad", format="mad_csv", annotations=material.folder / "train/mad/mad.csv", features=material.folder
    )
    cleaned, all_of_it = (read_samples(rows.changed(leave_in=kept)).samples for kept in ((), ("credits",)))
    credits = [sample for sample in all_of_it if sample.caption not in {other.caption for other in cleaned}]
    assert [sample.caption.split(":")[0] for sample in credits] == [
        "The title appears on screen", "The closing credits roll",
    ]  # fmt: skip
    for vary in (material.vary("mad", {}, None), material.vary("mad", {"told": 1.0}, None)):
        assert vary is not None
        assert [vary(sample, 0) for sample in credits] == credits
        assert all(vary(sample, 0) != sample for sample in cleaned)
    vary = material.vary("webvid_clips", {}, None)
    assert vary is not None
    samples = read_webvid(material.folder / "train/webvid/webvid.csv").samples
    assert {bool(stray_of(sample.caption)) for sample in samples} == {True, False}
    for sample in samples:
        for told in (vary(sample, epoch) for epoch in range(4)):
            assert isinstance(told, Sample)
            kept = "" if told.question else stray_of(sample.caption)
            assert stray_of(told.caption) == kept
