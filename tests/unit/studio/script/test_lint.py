"""Each rule on a cue that breaks it and on one that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calvin.core.errors import UsageError
from calvin.core.time import Span
from calvin.core.types import Author, Character, Cue, CueKind, Script, Status
from calvin.media.schedule.items import ScheduleSettings
from calvin.studio.project.timing import EstimatedLength, MeasuredLength
from calvin.studio.script.lint import RULES, Level, LintSettings, lint

TALK = [Span(10_000, 12_000), Span(13_000, 14_000)]
MARA = ("Mara",)
GOOD = Cue("1", Span(2000, 5000), "Mara, in a red coat, opens the gate.", Span(2000, 6000), 3000)


def found(cue: Cue, **script: object) -> list[tuple[str, Level]]:
    whole = Script("F", (cue,), duration_ms=60_000, **script)  # type: ignore[arg-type]
    return [(finding.rule, finding.level) for finding in lint(whole, TALK, names=MARA)]


def test_a_good_cue_is_left_alone() -> None:
    assert found(GOOD) == []


BAD = {
    "over-dialogue": replace(GOOD, span=Span(8000, 10_500), text="Mara waves."),
    "too-long": replace(GOOD, span=Span(8000, 9600)),
    "beyond-film": replace(GOOD, span=Span(59_000, 62_000), event_ms=59_000, text="She goes."),
    "blank": replace(GOOD, text=" . "),
    "guard": replace(GOOD, span=Span(8000, 9900), event_ms=8000, text="Mara waves."),
    "short-gap": replace(GOOD, span=Span(12_020, 12_700), event_ms=12_100, text="She nods."),
    "late": replace(GOOD, event_ms=500),
    "fast": replace(GOOD, span=Span(2000, 3500)),
    "needless-pause": replace(GOOD, extended=True),
    "unfinished": replace(GOOD, text="Mara, in a red coat, opens the"),
    "tense": replace(GOOD, text="Mara was at the gate."),
    "passive": replace(GOOD, text="The gate is opened by Mara."),
    "person": replace(GOOD, text="Mara looks at us."),
    "camera": replace(GOOD, text="We see Mara at the gate."),
    "name-unknown": replace(GOOD, text="She waves to Odette."),
    "one-name-twice": replace(GOOD, text="Mara pursues Mara.", author=Author.HUMAN),
    "kind": replace(GOOD, text="Title: The Red Lamp."),
    "inference": replace(GOOD, text="Mara is furious."),
}


@pytest.mark.parametrize("rule", BAD)
def test_a_bad_cue_breaks_its_rule(rule: str) -> None:
    broken = dict(found(BAD[rule]))
    assert broken.pop(rule) is RULES[rule].level
    allowed = {"over-dialogue": {"late", "too-long"}, "too-long": {"late"}, "guard": set()}
    allowed |= {"person": {"camera"}, "camera": {"person"}, "beyond-film": {"late"}, "blank": {"unfinished"}}
    assert set(broken) <= allowed.get(rule, set())


def test_what_is_read_out_may_wait_for_a_silence_as_long_as_the_schedule_lets_it() -> None:
    assert found(replace(GOOD, event_ms=1600)) == []
    late = replace(GOOD, event_ms=1599)
    assert found(late) == [("late", Level.WARNING)]
    late = replace(GOOD, event_ms=500)
    assert [found(replace(late, kind=kind)) == [] for kind in CueKind] == [False, True, True, True]
    rules = ScheduleSettings()
    for kind in (CueKind.TEXT, CueKind.TITLE, CueKind.CREDIT):
        gone = 30_000 - rules.waits_ms(kind) - rules.late_ms
        for before, breaks in ((0, []), (1, ["late"])):
            visual = Span(gone - 1000 - before, gone - before)
            waiting = replace(GOOD, span=Span(30_000, 34_000), visual=visual, event_ms=visual.start_ms, kind=kind)
            assert [rule for rule, _ in found(waiting)] == breaks, kind


@pytest.mark.parametrize("kind", [CueKind.TEXT, CueKind.TITLE, CueKind.CREDIT])
def test_what_stands_on_the_screen_is_read_as_it_stands(kind: CueKind) -> None:
    mara = Character("Mara", look="a red coat", known_from_ms=50_000)
    text = "On screen: We were watched. Mara is furious"
    assert found(replace(GOOD, text=text, kind=kind), characters=(mara,)) == []
    assert {rule for rule, _ in found(replace(GOOD, text=text), characters=(mara,))} == {
        *("kind", "tense", "person", "camera", "inference", "unfinished", "name-early", "name-look")
    }


@pytest.mark.parametrize(
    "text",
    ["A sign reads “We were here.”", "She needs her hat.", "The red-haired man sits.", "A framed picture falls."],
)
def test_words_that_only_look_bad(text: str) -> None:
    assert found(replace(GOOD, text=text)) == []


def test_cues_that_overlap_or_say_the_same() -> None:
    second = replace(GOOD, id="2", span=Span(4000, 8000), event_ms=4000, text="In a red coat, opens the gate.")
    findings = lint(Script("F", (GOOD, second)), TALK, names=MARA)
    assert [(f.rule, f.cue.id) for f in findings] == [("too-long", "1"), ("overlap", "2"), ("repeated", "2")]
    assert "before cue-1 ends" in str(findings[1])
    pausing = lint(Script("F", (replace(GOOD, extended=True), second)), TALK, names=MARA)
    assert "overlap" not in [f.rule for f in pausing], "the film stands still while the first is spoken"
    paused = lint(Script("F", (GOOD, replace(second, extended=True))), TALK, names=MARA)
    assert "overlap" in [f.rule for f in paused], "the film stands still in the middle of the first"


def test_names_once_they_are_known_and_with_the_look_at_first() -> None:
    mara = Character("Mara", look="a red coat", known_from_ms=20_000)
    later = replace(GOOD, id="2", span=Span(20_000, 22_000), event_ms=20_000, text="Mara leaves.")
    script = Script("F", (replace(GOOD, text="Mara opens the gate."), later), characters=(mara, Character("Ben")))
    assert [(f.rule, f.cue.id) for f in lint(script)] == [("name-early", "1"), ("name-look", "1")]
    assert lint(replace(script, cues=(replace(GOOD, span=Span(20_000, 23_000), event_ms=20_000),))) == []


def test_a_name_is_known_by_cast_subtitles_or_a_persons_cue() -> None:
    named = replace(GOOD, text="She waves to Odette.")
    script = Script("F", (named,))
    assert [f.rule for f in lint(script)] == ["name-unknown"]
    assert lint(script, names=["Odette"]) == []
    assert lint(replace(script, characters=(Character("Odette Lee"),))) == []
    mine = replace(GOOD, id="2", span=Span(20_000, 23_000), event_ms=20_000, text="Odette sits.", author=Author.HUMAN)
    assert lint(replace(script, cues=(named, mine))) == []
    german = replace(script, cues=(replace(GOOD, text="Sie winkt der Frau im Mantel."),), language="de")
    assert lint(german) == [], "every noun has a capital"


def test_what_a_person_approved_over_dialogue_only_warns() -> None:
    meant = replace(BAD["over-dialogue"], author=Author.HUMAN, status=Status.APPROVED)
    assert dict(found(meant))["over-dialogue"] is Level.WARNING


def test_words_are_judged_in_english_only() -> None:
    assert found(replace(GOOD, text="We was furious."), language="de") == []


def test_rules_can_be_left_out_and_unknown_ones_are_named() -> None:
    script = Script("F", (BAD["fast"],), duration_ms=60_000)
    assert lint(script, ignore=["fast"], names=MARA) == []
    with pytest.raises(UsageError, match="There is no rule 'fats': choose from over-dialogue"):
        lint(script, ignore=["fats"])


def test_the_limits_are_those_of_the_settings() -> None:
    near = replace(GOOD, span=Span(2000, 9800), event_ms=3000)
    assert [f.rule for f in lint(Script("F", (near,)), TALK, names=MARA)] == ["guard"]
    assert lint(Script("F", (near,)), TALK, LintSettings(guard_ms=100), names=MARA) == []


def test_times_that_a_voice_was_measured_to_need_are_not_too_fast() -> None:
    quick = BAD["fast"]
    script = Script("F", (quick,), duration_ms=60_000)
    measured = MeasuredLength({quick.text: quick.span.duration_ms}, EstimatedLength())
    assert [finding.rule for finding in lint(script, TALK, names=MARA)] == ["fast"]
    assert lint(script, TALK, spoken=measured, names=MARA) == []
