from __future__ import annotations

import cmath
import math
from itertools import pairwise

import numpy as np
import pytest

from calvin.core.errors import UsageError
from calvin.puppets.draw.actions import MOVERS, movers
from calvin.puppets.draw.stage import NECK, STAGE_WIDTH, Instant, Pose, Stage, ramp
from calvin.puppets.lexicon import ACTION_BY_KEY, ACTIONS

ALONE = Stage(56, 1, 0, 0.8)
PAIR = Stage(34, 1, 78, 0.8)
SECONDS = 4.0


def play(key: str, u: float) -> Instant:
    stage = PAIR if ACTION_BY_KEY[key].people == 2 else ALONE
    return MOVERS[key](u, u * SECONDS, stage)


def numbers(now: Instant) -> np.ndarray:
    """Where heads, hands, feet, prop and lid are."""
    spots = []
    for pose in now.people:
        marks = (pose.head, pose.shoulder + pose.near, pose.shoulder + pose.far, pose.foot_near, 1j * pose.hip)
        spots += [pose.world(mark, 0.8) for mark in marks]
        spots += [cmath.rect(10, math.radians(pose.yaw)), cmath.rect(10, math.radians(pose.yaw + pose.head_yaw))]
        spots.append(4 * pose.head_pitch + 0j)
    if now.prop is not None:
        spots.append(now.prop)
    spots.append(complex(now.lid))
    return np.array(spots)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.key)
def test_the_right_things_are_on_stage_in_the_middle(action) -> None:
    now = play(action.key, 0.5)
    assert len(now.people) == action.people
    assert (now.prop is not None) == action.prop
    for pose in now.people:
        assert 4 < pose.world(pose.shoulder, 0.8).real < STAGE_WIDTH - 4
    if now.prop is not None:
        assert 0 < now.prop.real < STAGE_WIDTH
        assert 0 < now.prop.imag < 60


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.key)
def test_nothing_jumps(action) -> None:
    steps = [numbers(play(action.key, u)) for u in np.linspace(0, 1, 401)]
    for before, after in pairwise(steps):
        # Arms begin to swing with the first step; nothing else moves faster than they.
        assert np.abs(after - before).max() < 10.5


@pytest.mark.parametrize("action", [a for a in ACTIONS if a.motion], ids=lambda action: action.key)
def test_motions_move(action) -> None:
    frames = [numbers(play(action.key, u)) for u in np.linspace(0, 1, 41)]
    assert max(np.abs(frame - frames[0]).max() for frame in frames) > 8


def travel(key: str) -> float:
    """How far the agent's head goes in all."""
    heads = [now.people[0].world(now.people[0].head, 0.8) for now in (play(key, u) for u in np.linspace(0, 1, 41))]
    return max(abs(head - heads[0]) for head in heads)


@pytest.mark.parametrize("action", [a for a in ACTIONS if not a.motion and a.key != "carry"], ids=lambda a: a.key)
def test_poses_hold_still(action) -> None:
    assert travel(action.key) < 4


@pytest.mark.parametrize(("one", "other"), [("sit", "stand"), ("open", "close"), ("pick", "put")])
def test_opposites_are_the_same_film_backwards(one: str, other: str) -> None:
    for u in np.linspace(0, 1, 21):
        forward, backward = numbers(play(one, float(u))), numbers(play(other, 1 - float(u)))
        assert np.allclose(forward, backward, atol=1e-6)


def test_who_gives_and_who_takes_can_be_seen() -> None:
    """The one who acts is the one who walks, whoever holds the prop."""
    for key in ("give", "take"):
        agent = [play(key, u).people[0].x for u in np.linspace(0, 1, 21)]
        patient = [play(key, u).people[1].x for u in np.linspace(0, 1, 21)]
        assert max(agent) - min(agent) > 10
        assert max(patient) - min(patient) == 0
    at_first = play("give", 0.05)
    assert abs(at_first.prop - at_first.people[0].hand(0.8)) < 1
    at_first = play("take", 0.05)
    assert abs(at_first.prop - at_first.people[1].hand(0.8)) < 1


def test_mirroring_swaps_left_and_right() -> None:
    right, left = Pose(50, 1, near=complex(10, 3)), Pose(50, -1, near=complex(10, 3))
    assert cmath.isclose(right.hand(0.8) - 50, -(left.hand(0.8) - 50).conjugate())


def test_ramp_is_flat_outside_and_rises_inside() -> None:
    values = [ramp(u) for u in np.linspace(0, 1, 101)]
    assert values[0] == 0
    assert values[-1] == 1
    assert values == sorted(values)


def test_in_the_second_drawing_raised_arms_reach_above_the_head_and_nods_go_further() -> None:
    stage = Stage(50, 1, 0, 0.8)
    spans = {}
    for drawing in (1, 2):
        play = movers(drawing)
        [pose] = play["raise_arms"](0.5, 2.0, stage).people
        arm = min(abs(pose.near), 2 * pose.reach) * pose.near / abs(pose.near)
        spans[drawing] = arm.imag - NECK
        nods = [play["nod"](t / 4, t, stage).people[0].head.imag for t in np.arange(0, 4, 0.1)]
        spans[f"nod {drawing}"] = max(nods) - min(nods)
    assert spans[1] < 3 < 8.2 < spans[2], "a head is 8.2 high above its middle"
    assert spans["nod 1"] == 0 < 3 < spans["nod 2"]
    same = [key for key in MOVERS if movers(2)[key] is movers(1)[key]]
    assert set(MOVERS) - set(same) == {"raise_arms", "cover_eyes", "wave", "nod"}


def test_there_are_two_drawings() -> None:
    with pytest.raises(UsageError, match="CALVIN_PUPPETS"):
        movers(3)
