"""What a single frame shows, as a word in each of a fixed row of slots: the target for pre-training a vision tower.

A tower that can say where the arms are, which way a head is turned and what lies where has kept what telling the
actions apart needs, motion included, once its vectors are read in sequence.
"""

from __future__ import annotations

from calvin.puppets.lexicon import COLOURS, PLACES, PROPS
from calvin.puppets.poses import HIP, MOVERS, STAGE_WIDTH, Pose
from calvin.puppets.render import draw_setup
from calvin.puppets.script import Scene

NONE = "none"
_BINS = tuple(f"x{i}" for i in range(8))
_WHERE = ("down", "out", "up", "in")
_TILT = ("upright", "tilted", "lying", "upside")

PERSON_SLOTS: dict[str, tuple[str, ...]] = {
    "x": (NONE, *_BINS),
    "coat": (NONE, *COLOURS),
    "garment": (NONE, "coat", "jacket", "dress"),
    "hat": (NONE, *COLOURS),
    "hair": (NONE, "long", "short"),
    "tilt": (NONE, *_TILT),
    "height": (NONE, "low", "middle", "standing", "air"),
    "lean": (NONE, "straight", "leaning", "bent"),
    "facing": (NONE, "left", "front", "right", "back"),
    "head": (NONE, "left", "front", "right", "back"),
    "chin": (NONE, "level", "down", "raised"),
    "left_hand": (NONE, *_WHERE),
    "right_hand": (NONE, *_WHERE),
}
SCENE_SLOTS: dict[str, tuple[str, ...]] = {
    "place": tuple(place.key for place in PLACES),
    "prop": (NONE, *PROPS),
    "prop_x": (NONE, *_BINS),
    "prop_y": (NONE, "ground", "hand", "shoulder", "above"),
    "stool": (NONE, "stool"),
    "chest": (NONE, "shut", "ajar", "open"),
}
FRAME_SLOTS: dict[str, tuple[str, ...]] = {
    **SCENE_SLOTS,
    **{f"first_{key}": words for key, words in PERSON_SLOTS.items()},
    **{f"second_{key}": words for key, words in PERSON_SLOTS.items()},
}
"""Slot name to its words, in the order of `frame_labels`. The first person is the one further left."""


def frame_labels(scene: Scene, seconds: float) -> tuple[str, ...]:
    """One word a slot of FRAME_SLOTS for the frame at `seconds` after the start of the scene."""
    truth, stage = scene.truth, draw_setup(scene).stage
    now = MOVERS[truth.action](min(seconds * 1000 / max(scene.duration_ms, 1), 1.0), seconds, stage)
    words = dict.fromkeys(FRAME_SLOTS, NONE)
    words["place"] = truth.place
    if truth.prop is not None and now.prop is not None and _on_stage(now.prop.real):
        words |= {"prop": truth.prop, "prop_x": _bin(now.prop.real), "prop_y": _level(now.prop.imag / stage.scale)}
    if now.stool is not None:
        words["stool"] = "stool"
    if now.chest is not None:
        words["chest"] = "shut" if now.lid < 15 else "ajar" if now.lid < 80 else "open"
    people = [(_middle(pose, stage.scale), pose, name) for pose, name in zip(now.people, truth.present, strict=False)]
    seen = sorted((item for item in people if _on_stage(item[0])), key=lambda item: item[0])
    for prefix, (x, pose, name) in zip(("first_", "second_"), seen, strict=False):
        look = truth.looks[name]
        words |= {
            prefix + "x": _bin(x),
            prefix + "coat": look.coat,
            prefix + "garment": look.garment,
            prefix + "hat": look.hat or NONE,
            prefix + "hair": "long" if look.woman else "short",
            **{prefix + key: word for key, word in _posture(pose, stage.scale).items()},
        }
    return tuple(words.values())


def _middle(pose: Pose, scale: float) -> float:
    return pose.world(pose.shoulder * 0.8, scale).real


def _on_stage(x: float) -> bool:
    return 0 < x < STAGE_WIDTH


def _bin(x: float) -> str:
    return _BINS[min(int(x / STAGE_WIDTH * 8), 7)]


def _level(y: float) -> str:
    return "ground" if y < 11 else "hand" if y < 28 else "shoulder" if y < 42 else "above"


def _direction(degrees: float, face: int) -> str:
    """Which way something turned by `degrees` from the viewer looks, on the screen."""
    degrees = degrees % 360
    if 135 < degrees < 225:
        return "back"
    if degrees < 30 or degrees > 330:
        return "front"
    return "right" if (degrees < 180) == (face > 0) else "left"


def _posture(pose: Pose, scale: float) -> dict[str, str]:
    tilt = _TILT[0 if pose.rot < 20 else 1 if pose.rot < 60 else 2 if pose.rot < 135 else 3]
    low = "low" if pose.hip < 9 else "middle" if pose.hip < HIP - 2 else "standing"
    hands = sorted(
        ((pose.world(pose.shoulder + hand, scale).real, _where(hand, pose)) for hand in (pose.near, pose.far)),
        key=lambda item: item[0],
    )
    return {
        "tilt": tilt,
        "height": "air" if pose.lift > 5 and pose.rot == 0 else low,
        "lean": "straight" if pose.bend < 12 else "leaning" if pose.bend < 40 else "bent",
        "facing": _direction(pose.yaw, pose.face),
        "head": _direction(pose.yaw + pose.head_yaw, pose.face),
        "chin": "down" if pose.head_pitch > 1.5 else "raised" if pose.head_pitch < -1.5 else "level",
        "left_hand": hands[0][1],
        "right_hand": hands[1][1],
    }


def _where(hand: complex, pose: Pose) -> str:
    """Where a hand is, seen from its shoulder."""
    if hand.imag > 4:
        return "up"
    if hand.imag < -11:
        return "down"
    return "out" if abs(hand.real) > 8.5 else "in"
