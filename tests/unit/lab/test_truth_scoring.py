from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from calvin.captioners.base import CaptionAnswer, CaptionRequest
from calvin.core.errors import DataError
from calvin.core.time import Span
from calvin.core.types import Scene
from calvin.lab.truth_scoring import CONDITIONS, CONTROLS, OWN, Condition, TruthScene, evaluate_truth, truth_table


class Echo:
    """Says what it was given: the number in the frames, the last line of context, the entities."""

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        return [
            CaptionAnswer(
                f"{int(request.scene.image_embeds[0, 0])} {'|'.join(request.prompt.context)} "
                f"{'+'.join(request.prompt.entities)}",
                0.0,
            )
            for request in requests
        ]


def make_items(count: int) -> list[TruthScene]:
    return [
        TruthScene(
            Scene(str(i), "film", Span(0, 1000), image_embeds=np.full((2, 3), i, dtype=np.float32)),
            truth=i,
            previous=tuple(f"c{j}" for j in range(i)),
            entities=(f"e{i}",),
        )
        for i in range(count)
    ]


def score(caption: str, truth: int) -> dict[str, float | None]:
    number, context, entities = caption.split(" ")
    return {
        "seen": float(int(number) == truth),
        "lines": float(len(context.split("|"))) if context else None,
        "named": float(entities == f"e{truth}"),
    }


def test_each_condition_gives_what_it_says() -> None:
    rows = {row.condition: row for row in evaluate_truth(Echo(), make_items(8), score, batch=3)}  # type: ignore[arg-type]
    assert list(rows) == [condition.name for condition in CONDITIONS]
    assert rows["none"].means == {"seen": 1.0, "named": 0.0}
    assert rows["3 scenes"].means["lines"] == pytest.approx((1 + 2 + 3 * 5) / 7)
    assert rows["3 scenes"].counts["lines"] == 7
    assert rows["5 scenes"].captions[7].split(" ")[1] == "c2|c3|c4|c5|c6"
    assert rows["entities"].means == {"seen": 1.0, "named": 1.0}
    assert rows["3 scenes, other frames"].means["seen"] == 0.0
    assert "| none | 100.0 |" in truth_table(list(rows.values()))


def test_one_scene_has_no_other_frames() -> None:
    with pytest.raises(DataError, match="two"):
        evaluate_truth(Echo(), make_items(1), score)  # type: ignore[arg-type]


def test_controls_change_the_frames_and_nothing_else() -> None:
    frames = np.arange(8, dtype=np.float32)[:, None]
    items = [
        TruthScene(Scene(str(i), "film", Span(0, 1000), image_embeds=frames + 10 * i), i, ("before",), ("Ann",))
        for i in range(4)
    ]
    seen = {control.frames: control.request(items, 1).scene.image_embeds for control in (Condition("own"), *CONTROLS)}
    assert np.array_equal(seen["own"], frames + 10)
    assert np.array_equal(seen["other"], frames + 30)
    assert np.array_equal(seen["middle"], np.full((8, 1), 14))
    assert sorted(seen["shuffled"].ravel()) == sorted((frames + 10).ravel())
    assert not np.array_equal(seen["shuffled"], frames + 10)


def test_own_context_is_what_was_said_in_the_film_but_for_what_a_person_corrected() -> None:
    items = [
        TruthScene(Scene(f"{film}{i}", film, Span(0, 1000), image_embeds=np.full((1, 1), number)), number, before, ())
        for number, (film, i) in enumerate([("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)])
        if (before := tuple(f"{film}-reference-{j}" for j in range(i))) is not None
    ]

    class Counter:
        def __init__(self) -> None:
            self.batches: list[list[str]] = []

        def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
            self.batches.append([request.scene.id for request in requests])
            return [CaptionAnswer(f"said {request.scene.id}", 0.0) for request in requests]

    own, held, corrected, *_ = evaluate_truth(counter := Counter(), items, lambda *_: {}, OWN)  # type: ignore[arg-type]
    assert held.contexts == own.contexts
    assert counter.batches[:3] == [["a0", "b0"], ["a1", "b1"], ["a2"]]
    assert own.contexts == ((), ("said a0",), ("said a0", "said a1"), (), ("said b0",))
    assert corrected.contexts == (
        (), ("a-reference-0",), ("a-reference-0", "said a1"), (), ("b-reference-0",),
    )  # fmt: skip
    assert own.captions == tuple(f"said {item.scene.id}" for item in items)


def test_held_back_are_names_that_neither_the_context_nor_the_prompt_gives() -> None:
    items = make_items(2)
    items[1] = replace(items[1], previous=("Ann waves.",), entities=("Bob",))
    asked = [
        replace(one, held=True).request(items, 1, {0: "Cy waves."}) for one in (CONDITIONS[1], CONDITIONS[3], *OWN)
    ]
    may = [one.licence.may if one.licence else None for one in asked]
    assert may == [{"Ann"}, {"Bob"}, set(), set(), {"Ann"}, {"Ann"}, set()]
    assert OWN[0].request(items, 1, {0: "Cy waves."}).licence is None


def test_whose_looks_are_known_is_recognised_by_them() -> None:
    before = ("Ann, in a red coat, waves.", "Cy, in a blue coat, sits.")
    item = replace(make_items(3)[2], previous=before, portraits={"Dee": "in a green hat"})
    items = [*make_items(2), item]
    asked = [one.request(items, 2, {0: "Someone waves.", 1: "Bob sits."}).licence for one in OWN]
    looks = [one.looks if one else None for one in asked]
    assert looks == [None, {}, None, {"Ann": "in a red coat"}, {"Dee": "in a green hat"}]
