"""What is wished for beats what the project remembers, which beats the defaults; an adapter brings its own context."""

from __future__ import annotations

import pytest

from calvin.core.errors import ConfigError
from calvin.media.gaps import PlanSettings
from calvin.studio.project.describe_settings import (
    DescribeRecord,
    DescribeSettings,
    DescribeSources,
    DescribeWish,
    PromptSettings,
    settle,
)

RECORD = DescribeRecord(
    model="m", context=7, question="What?", plan=PlanSettings(guard_ms=50), words_per_minute=140, audio_language="de",
    language="fr", subtitles="ab", cast="{}", names_alone=False,
)  # fmt: skip


def test_without_wish_and_memory_the_defaults_hold() -> None:
    assert settle(DescribeWish()) == DescribeSettings()


def test_what_is_remembered_holds_where_nothing_is_wished_for() -> None:
    settled = settle(DescribeWish(), RECORD)
    assert settled == DescribeSettings(
        context=7, question="What?", plan=PlanSettings(guard_ms=50), words_per_minute=140, audio_language="de",
        names_alone=False,
    )  # fmt: skip


def test_who_may_be_named_is_remembered() -> None:
    assert settle(DescribeWish()).names == "known"
    free = DescribeRecord(model="m", **settle(DescribeWish(names="free")).model_dump(exclude={"formats"}))
    assert settle(DescribeWish(), free).names == "free"
    assert settle(DescribeWish(names="known"), free).names == "known"
    with pytest.raises(ConfigError, match="names"):
        DescribeWish.load({"names": "some"}, "describe")


def test_writing_is_read_where_that_is_possible_and_a_project_keeps_to_what_it_did() -> None:
    assert not settle(DescribeWish()).screen_text
    assert settle(DescribeWish(), can_read=True).screen_text
    assert not settle(DescribeWish(screen_text=False), can_read=True).screen_text
    assert not settle(DescribeWish(), RECORD, can_read=True).screen_text
    read = RECORD.changed(screen_text=True)
    assert settle(DescribeWish(), read).screen_text
    assert not settle(DescribeWish(screen_text=False), read).screen_text


def test_wishes_come_first() -> None:
    plan = PlanSettings(min_gap_ms=1)
    wish = DescribeWish(context=0, formats=("vtt",), question="Who?", plan=plan, words_per_minute=200, language="ger")
    settled = settle(wish, RECORD)
    plan = PlanSettings(min_gap_ms=1, guard_ms=50)  # what was not asked for stays as the project has it
    assert settled == DescribeSettings(
        context=0, formats=("vtt",), question="Who?", plan=plan, words_per_minute=200, language="de",
        audio_language="de", names_alone=False,
    )  # fmt: skip


def test_an_adapter_brings_its_context_and_the_projects_own_is_kept_beside_it() -> None:
    adapted = settle(DescribeWish(), RECORD, adapter_context=1)
    assert (adapted.context, adapted.own_context, adapted.names_alone) == (1, 7, False)
    again = DescribeRecord(model="m", **adapted.model_dump(exclude={"formats"}))
    assert settle(DescribeWish(), again, adapter_context=1) == adapted
    assert settle(DescribeWish(), again).context == 7
    assert (settle(DescribeWish(), None, adapter_context=1).own_context) == 3
    asked = settle(DescribeWish(context=2), RECORD, adapter_context=1)
    assert (asked.context, asked.own_context, asked.names_alone) == (2, None, False)


@pytest.mark.parametrize("values", [{"context": 51}, {"words_per_minute": 10}, {"plan": {"guard_ms": -1}}, {"odd": 1}])
def test_a_wish_that_cannot_be_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"describe: {next(iter(values))}"):
        DescribeWish.load(values, "describe")


def test_what_models_are_told_is_remembered_part_by_part() -> None:
    first = settle(DescribeWish.load({"prompt": {"title": "The  Lamp", "neighbours": True}}, "describe"))
    assert first.prompt == PromptSettings(title="The Lamp", neighbours=True)
    assert (first.prompt.room, first.prompt.dialogue, first.prompt.still_size) == (True, True, 768)
    known = RECORD.changed(prompt=first.prompt)
    assert settle(DescribeWish(), known).prompt == first.prompt
    then = settle(DescribeWish.load({"prompt": {"style": "Plain\nwords.", "room": False}}, "describe"), known)
    assert then.prompt == PromptSettings(title="The Lamp", neighbours=True, style="Plain words.", room=False)
    without = settle(DescribeWish.load({"prompt": {"title": "none"}}, "describe"), known)
    assert without.prompt == PromptSettings(neighbours=True)


@pytest.mark.parametrize("bad", [{"title": "x" * 201}, {"style": "x" * 2001}, {"still_size": 100}, {"tile": "x"}])
def test_what_models_cannot_be_told_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        DescribeWish.load({"prompt": bad}, "describe")


def test_two_stages_are_remembered_with_the_model() -> None:
    known = DescribeSources.named(None, "openai:http://localhost/v1#a", two_stages=True)
    assert known.two_stages
    assert DescribeSources.named(known).two_stages
    assert not DescribeSources.named(known, two_stages=False).two_stages
    assert not DescribeSources.named(known, "smolvlm2").two_stages, "another model is asked in one"
