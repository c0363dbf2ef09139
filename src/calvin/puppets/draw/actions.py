"""How each action is played: the poses of the people and the place of the prop at each moment.

A mover takes the progress of the scene `u` (0 to 1), the seconds `t` since it began and the stage. Opposites (sit down
and stand up, open and close, pick up and put down) are one motion played forwards and backwards, so that no single
frame tells them apart. In a pose, the little that moves only keeps the picture alive.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from calvin.core.errors import UsageError
from calvin.puppets.draw.stage import DOWN_FAR, HIP, STAGE_WIDTH, Instant, Pose, Stage, mix, mixc, ramp, walking

Mover = Callable[[float, float, Stage], Instant]


def _between(s: Stage) -> int:
    return 1 if s.other > s.x else -1


def _toward(s: Stage, **changes: object) -> Pose:
    """The agent, turned to the other."""
    pose = Pose(s.x, face=_between(s), yaw=60, near=complex(4, -14), far=complex(-5, -14))
    return replace(pose, **changes)  # type: ignore[arg-type]


def _patient(s: Stage, **changes: object) -> Pose:
    """The other, turned to the agent."""
    return replace(_toward(s), x=s.other, face=-_between(s), **changes)  # type: ignore[arg-type]


def _alone(s: Stage, **changes: object) -> Instant:
    return Instant([replace(Pose(s.x, s.face), **changes)])  # type: ignore[arg-type]


def sleep(u: float, t: float, s: Stage) -> Instant:
    breath = 0.6 * math.sin(2.5 * t)
    x = s.x + s.face * 22 * s.scale
    return _alone(s, x=x, yaw=0, rot=90, lift=6.5, asleep=True, near=complex(6, -12 + breath))


def kneel(u: float, t: float, s: Stage) -> Instant:
    feet = {"foot_near": complex(-11, 1), "foot_far": complex(-8, 1)}
    return _alone(s, yaw=50, hip=6.5, near=complex(7, -13), far=complex(-4, -13), head_pitch=math.sin(t), **feet)


def handstand(u: float, t: float, s: Stage) -> Instant:
    kick = 2 * math.sin(3 * t)
    feet = {"foot_near": complex(8 + kick, 2), "foot_far": complex(-8 + kick, 2)}
    return _alone(s, yaw=0, rot=180, lift=46, near=complex(8, 17), far=complex(-8, 17), **feet)


def hips(u: float, t: float, s: Stage) -> Instant:
    feet = {"foot_near": complex(7, 0), "foot_far": complex(-7, 0)}
    return _alone(s, yaw=5, near=complex(6, -9), far=complex(-6, -9), bend=1.5 * math.sin(2 * t), **feet)


def overhead(u: float, t: float, s: Stage) -> Instant:
    pose = Pose(s.x, s.face, yaw=10, near=complex(7, 16), far=complex(-7, 16), bend=1.5 * math.sin(2 * t))
    return Instant([pose], prop=pose.world(pose.shoulder + pose.up * 24, s.scale))


def cradle(u: float, t: float, s: Stage) -> Instant:
    pose = Pose(s.x, s.face, yaw=15, near=complex(6, -11), far=complex(-6, -10), bend=3 * math.sin(2 * t))
    return Instant([pose], prop=pose.world(pose.shoulder - pose.up * 6 + 1, s.scale))


def balance(u: float, t: float, s: Stage) -> Instant:
    pose = Pose(s.x, s.face, yaw=10, near=complex(13, -8), far=complex(-13, -8), bend=2 * math.sin(2.5 * t))
    return Instant([pose], prop=pose.world(pose.head + pose.up * 15, s.scale))


def hug(u: float, t: float, s: Stage) -> Instant:
    way = _between(s)
    middle = (s.x + s.other) / 2
    agent = _toward(s, near=complex(12, -5), far=complex(12, -1), bend=6 + math.sin(2 * t), yaw=80)
    patient = _patient(s, near=complex(-1, -15), far=complex(-3, -15), yaw=80)
    agent.x, patient.x = middle - way * 6.5 * s.scale, middle + way * 6.5 * s.scale
    return Instant([agent, patient])


def carry(u: float, t: float, s: Stage) -> Instant:
    way = _between(s)
    x = (s.x + s.other) / 2 + way * mix(-8, 8, u)
    bob = abs(math.sin(5 * t))
    agent = walking(Pose(x, way), 5 * t, 4)
    agent.bend, agent.near, agent.far, agent.lift = 28, complex(-5, -11), complex(-3, -10), bob
    patient = Pose(x - way * 7 * s.scale, way, yaw=75, lift=13 + bob, hip=8, bend=15, near=complex(10, -4),
                   far=complex(9, -2), foot_near=complex(12, 2), foot_far=complex(11, 4))  # fmt: skip
    return Instant([agent, patient])


def enter(u: float, t: float, s: Stage) -> Instant:
    v = ramp(u, -0.1, 0.85)
    start = -12.0 if s.face > 0 else STAGE_WIDTH + 12
    pose = Pose(mix(start, s.x, v), s.face, yaw=50)
    return Instant([walking(pose, 8 * t) if v < 0.98 else pose])


def leave(u: float, t: float, s: Stage) -> Instant:
    v = ramp(u, 0.12, 1.05)
    end = STAGE_WIDTH + 12 if s.face > 0 else -12.0
    pose = Pose(mix(s.x, end, v), s.face, yaw=50)
    return Instant([walking(pose, 8 * t) if v > 0.02 else pose])


def _seated(v: float, s: Stage) -> Instant:
    lean = math.sin(math.pi * v)
    feet = complex(mix(4, 13, v), 0), complex(mix(-4, 9, v), 0)
    pose = Pose(s.x, s.face, yaw=mix(20, 45, v), hip=mix(HIP, 6.5, v), bend=32 * lean, near=complex(8, -11),
                far=complex(-6, -11), foot_near=feet[0], foot_far=feet[1])  # fmt: skip
    return Instant([pose], stool=s.x - s.face * 1.5)


def jump(u: float, t: float, s: Stage) -> Instant:
    height = max(0.0, math.sin(5 * s.tempo * t))
    crouch = max(0.0, -math.sin(5 * s.tempo * t))
    return Instant([Pose(s.x, s.face, yaw=15, lift=13 * height, hip=HIP - 7 * crouch,
                         near=complex(12, mix(-11, 11, height)), far=complex(-12, mix(-11, 11, height)))])  # fmt: skip


def turn(u: float, t: float, s: Stage) -> Instant:
    yaw = 3.4 * s.tempo * t * 180 / math.pi
    open_arm = 13 * math.cos(math.radians(yaw))
    step = math.sin(7 * t)
    return Instant([Pose(s.x, s.face, yaw=yaw % 360, near=complex(open_arm, -5), far=complex(-open_arm, -5),
                         foot_near=complex(4, max(0, step) * 2), foot_far=complex(-4, max(0, -step) * 2))])  # fmt: skip


def _chest(v: float, s: Stage) -> Instant:
    chest = s.x + s.face * 25 * s.scale
    pose = Pose(s.x, s.face, yaw=65, bend=mix(55, 8, v), near=mixc(complex(8, -15), complex(14, 5), v),
                far=complex(-2, -13))  # fmt: skip
    return Instant([pose], chest=chest, lid=105 * v)


def _lifted(v: float, s: Stage) -> Instant:
    """0: upright beside the prop on the ground; 0.5: bent down with a hand on it; 1: upright with it in hand."""
    down = math.sin(math.pi * v)
    ground = s.x + s.face * 15 * s.scale + 1j * 6.5 * s.scale
    pose = Pose(s.x, s.face, yaw=60, bend=70 * down, hip=HIP - 5 * down,
                near=mixc(complex(6, -14) if v < 0.5 else complex(11, -4), complex(7, -13), down),
                far=mixc(DOWN_FAR, complex(-2, -12), down))  # fmt: skip
    return Instant([pose], prop=ground if v < 0.5 else mixc(pose.hand(s.scale), ground, max(0.0, down * 4 - 3)))


def give(u: float, t: float, s: Stage) -> Instant:
    """The agent, prop in hand, walks up and holds it out; the patient stands and takes it in."""
    v, handed = ramp(u, 0.0, 0.55), ramp(u, 0.6, 0.85)
    agent = _toward(s, near=mixc(mixc(complex(9, -6), complex(13, -3), v), complex(9, -10), ramp(u, 0.72, 0.95)))
    if 0.02 < v < 0.98:
        agent = replace(walking(replace(agent), 7 * t), near=agent.near)  # the arm stays as it is held out
    agent.x = mix(s.x - _between(s) * 16, s.other - _between(s) * 26 * s.scale, v)
    patient = _patient(s, near=mixc(complex(5, -12), complex(12, -4), ramp(u, 0.4, 0.6)))
    if handed > 0.5:
        patient.near = mixc(complex(12, -4), complex(6, -6), ramp(u, 0.72, 0.95))
    return Instant([agent, patient], prop=mixc(agent.hand(s.scale), patient.hand(s.scale), handed))


def take(u: float, t: float, s: Stage) -> Instant:
    """The agent, hands empty, walks up, grabs the prop and steps back with it; the patient stays with arms out."""
    v, taken = ramp(u, 0.0, 0.4), ramp(u, 0.45, 0.55)
    back = ramp(u, 0.55, 0.95)
    agent = _toward(s, near=mixc(mixc(complex(5, -12), complex(14, -3), v), complex(7, -6), back))
    if 0.02 < v < 0.98 or 0.02 < back < 0.98:
        agent = replace(walking(replace(agent), 7 * t), near=agent.near)
    close_by = s.other - _between(s) * 26 * s.scale
    agent.x = mix(mix(s.x - _between(s) * 16, close_by, v), s.x - _between(s) * 14, back)
    patient = _patient(s, near=mixc(complex(8, -6), complex(13, -5), taken))
    return Instant([agent, patient], prop=mixc(patient.hand(s.scale), agent.hand(s.scale), taken))


def throw(u: float, t: float, s: Stage) -> Instant:
    swing, flight = ramp(u, 0.1, 0.35), min(max((u - 0.35) / 0.35, 0.0), 1.0)
    agent = _toward(s, near=mixc(complex(-6, 8), complex(13, 6), swing), bend=mix(-10, 14, swing))
    ready = ramp(u, 0.2, 0.4)
    patient = _patient(
        s, near=mixc(complex(4, -14), complex(10, 5), ready), far=mixc(complex(-5, -14), complex(8, 9), ready)
    )
    patient.bend = -8 * ramp(u, 0.6, 0.75)
    prop = mixc(agent.hand(s.scale), patient.hand(s.scale), flight) + 1j * 14 * math.sin(math.pi * flight)
    return Instant([agent, patient], prop=prop)


def push(u: float, t: float, s: Stage) -> Instant:
    v, fall = ramp(u, 0.05, 0.4), ramp(u, 0.38, 0.7)
    agent = _toward(s, near=mixc(complex(4, -12), complex(15, -2), v), far=mixc(complex(-4, -12), complex(14, -5), v),
                    bend=14 * v)  # fmt: skip
    agent.x = mix(s.x, s.other - _between(s) * 21 * s.scale, v)
    arms = mixc(complex(4, -14), complex(9, 10), fall)
    patient = _patient(s, rot=82 * fall, lift=5 * fall, near=arms, foot_near=complex(3, 0))
    return Instant([agent, patient])


def help_(u: float, t: float, s: Stage) -> Instant:
    v = ramp(u, 0.25, 0.8)
    patient = _patient(s, rot=82 * (1 - v), lift=5 * (1 - v), near=mixc(complex(12, 8), complex(12, -5), v))
    agent = _toward(s, bend=mix(48, 0, v), near=mixc(complex(14, -10), complex(12, -5), v),
                    far=complex(-6, mix(-8, -14, v)))  # fmt: skip
    agent.x = s.other - _between(s) * mix(24, 27, v) * s.scale
    return Instant([agent, patient])


def chase(u: float, t: float, s: Stage) -> Instant:
    way = _between(s)
    x = STAGE_WIDTH / 2 + way * mix(-34, 46, u)
    agent = walking(Pose(x - way * 17, way), 11 * t, 9)
    agent.bend, agent.near, agent.far = 22, complex(14, 2 + math.sin(9 * t)), complex(13, -3)
    patient = walking(Pose(x + way * 17, way), 11 * t + 1.5, 9)
    patient.bend, patient.near, patient.far = 12, complex(6, 12 + 2 * math.sin(9 * t)), complex(-6, 12)
    return Instant([agent, patient])


def talk(u: float, t: float, s: Stage) -> Instant:
    """Two people in conversation: the agent speaks. Not one of the described actions."""
    agent = _toward(s, yaw=45, mouth=abs(math.sin(9 * t)), near=complex(8, -9 + 1.5 * math.sin(4 * t)))
    return Instant([agent, _patient(s, yaw=45)])


_PLAYED = (
    sleep,
    kneel,
    handstand,
    hips,
    overhead,
    cradle,
    balance,
    hug,
    carry,
    enter,
    leave,
    jump,
    turn,
    give,
    take,
    throw,
    push,
    help_,
    chase,
    talk,
)
MOVERS: dict[str, Mover] = {
    "raise_arms": lambda u, t, s: _alone(
        s, yaw=10, near=complex(13 + math.sin(2 * t), 12), far=complex(-13 + math.sin(2 * t), 12)
    ),
    "cover_eyes": lambda u, t, s: _alone(
        s, yaw=0, near=complex(3, 9 + 0.5 * math.sin(3 * t)), far=complex(-3, 9 + 0.5 * math.sin(3 * t))
    ),
    "point": lambda u, t, s: Instant([_toward(s, near=complex(16, 1 + 0.5 * math.sin(3 * t))), _patient(s)]),
    "wave": lambda u, t, s: Instant(
        [_toward(s, yaw=35, near=complex(12 + 4 * math.sin(6 * s.tempo * t), 11)), _patient(s)]
    ),
    "bow": lambda u, t, s: Instant(
        [_toward(s, bend=72 + 4 * math.sin(2 * t), near=complex(2, -13), far=complex(-8, -6), yaw=80), _patient(s)]
    ),
    "sit": lambda u, t, s: _seated(ramp(u), s),
    "stand": lambda u, t, s: _seated(1 - ramp(u), s),
    "nod": lambda u, t, s: _alone(s, yaw=0, head_pitch=4.5 * math.sin(6.5 * s.tempo * t)),
    "shake": lambda u, t, s: _alone(s, yaw=0, head_yaw=70 * math.sin(6.5 * s.tempo * t)),
    "open": lambda u, t, s: _chest(ramp(u), s),
    "close": lambda u, t, s: _chest(1 - ramp(u), s),
    "pick": lambda u, t, s: _lifted(ramp(u, 0.15, 0.85), s),
    "put": lambda u, t, s: _lifted(1 - ramp(u, 0.15, 0.85), s),
    **{mover.__name__.removesuffix("_"): mover for mover in _PLAYED},
}
_SECOND: dict[str, Mover] = {
    "raise_arms": lambda u, t, s: _alone(
        s, yaw=10, near=complex(9 + math.sin(2 * t), 20), far=complex(-9 + math.sin(2 * t), 20), reach=10.4
    ),
    "cover_eyes": lambda u, t, s: _alone(
        s, yaw=0, near=complex(3.2, 9 + 0.5 * math.sin(3 * t)), far=complex(-3.2, 9 + 0.5 * math.sin(3 * t)), palm=3.9
    ),
    "wave": lambda u, t, s: Instant(
        [_toward(s, yaw=35, near=complex(9 + 6 * math.sin(6 * s.tempo * t), 19), reach=10.4), _patient(s)]
    ),
    "nod": lambda u, t, s: _alone(
        s, yaw=0, head_pitch=4.5 * math.sin(6.5 * s.tempo * t), head_drop=3.5 * max(0.0, math.sin(6.5 * s.tempo * t))
    ),
}


def movers(drawing: int) -> dict[str, Mover]:
    """How each action is played in a drawing of the puppets, by its key.

    Raises:
        UsageError: there is no such drawing.
    """
    if drawing not in (1, 2):
        raise UsageError(f"There are drawings 1 and 2 of the puppets, not {drawing}: see CALVIN_PUPPETS.")
    return MOVERS if drawing == 1 else MOVERS | _SECOND
