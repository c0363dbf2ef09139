from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calvin.puppets.draw.render import SceneRenderer, frame_times, render_at, render_scene
from calvin.puppets.lexicon import COLOURS, PLACES, PROPS
from calvin.puppets.tell.screenplay import Scene, make_film, random_scene

SCENES = [random_scene(seed) for seed in range(12)]


def changed(scene: Scene, **changes: object) -> Scene:
    return replace(scene, truth=replace(scene.truth, **changes))


def one(**wanted: object) -> Scene:
    """The first lone scene whose truth is as wanted."""
    for seed in range(5000):
        scene = random_scene(seed)
        if all(getattr(scene.truth, key) == value for key, value in wanted.items()):
            return scene
    raise AssertionError(wanted)


@pytest.mark.parametrize("size", [(112, 64), (224, 128), (320, 180)])
def test_shape_and_count(size: tuple[int, int]) -> None:
    scene = SCENES[0]
    frames = render_scene(scene, *size, fps=5)
    assert frames.dtype == np.uint8
    assert frames.shape == (round(scene.duration_ms / 200), size[1], size[0], 3)


def test_deterministic_and_each_frame_on_its_own() -> None:
    for scene in SCENES:
        frames = render_scene(scene)
        assert np.array_equal(frames, render_scene(scene))
        times = frame_times(scene, 5)
        backwards = render_at(scene, times[::-1])
        assert np.array_equal(frames, backwards[::-1])


def test_a_scene_alone_is_the_scene_in_its_film() -> None:
    film, again = make_film(4), make_film(4)
    assert np.array_equal(render_scene(film.scenes[7]), render_scene(again.scenes[7]))


def test_sizes_show_the_same_picture() -> None:
    for scene in SCENES[:4]:
        small = render_at(scene, [1.0])[0].astype(float)
        large = render_at(scene, [1.0], 448, 256)[0].astype(float)
        large = large.reshape(64, 4, 112, 4, 3).mean((1, 3))
        assert np.abs(small - large).mean() < 6


def test_something_moves_in_every_scene_but_cards() -> None:
    for scene in SCENES:
        frames = render_scene(scene).astype(int)
        assert np.abs(frames - frames[0]).max() > 20


@pytest.mark.parametrize("colour", COLOURS)
def test_the_colour_of_the_coat_is_on_the_coat(colour: str) -> None:
    scene = one(action="hips")
    look = scene.truth.looks[scene.truth.agent]
    scene = changed(scene, looks={scene.truth.agent: replace(look, coat=colour, garment="coat")})
    renderer = SceneRenderer(scene, 112, 64)
    frame = renderer.frame(1.0)
    pose = renderer.instant(1.0).people[0]
    x, y = renderer.canvas.pixel(pose.world(pose.shoulder - 6 * pose.up + 3.5, renderer.setup.stage.scale))
    seen = frame[y // 32, x // 32].astype(int)
    lit = {
        name: [int(renderer.setup.light[0, value, channel]) for channel, value in enumerate(rgb)]
        for name, rgb in COLOURS.items()
    }
    nearest = min(lit, key=lambda name: float(np.abs(seen - lit[name]).sum()))
    assert nearest == colour


@pytest.mark.parametrize("prop", PROPS)
def test_props_are_large_in_the_picture(prop: str) -> None:
    scene = one(action="overhead")
    shown = render_at(changed(scene, prop=prop), [1.0])[0].astype(int)
    others = [render_at(changed(scene, prop=other), [1.0])[0].astype(int) for other in PROPS if other != prop]
    for other in others:
        assert (np.abs(shown - other).max(-1) > 40).sum() >= 25


def test_places_differ() -> None:
    scene = one(action="nod")
    pictures = [render_at(changed(scene, place=place.key), [1.0])[0].astype(int) for place in PLACES]
    for i, first in enumerate(pictures):
        for second in pictures[:i]:
            assert np.abs(first - second).mean() > 15


def test_the_camera_the_light_and_the_scale_vary() -> None:
    setups = [SceneRenderer(random_scene(seed), 112, 64).setup for seed in range(60)]
    assert len({setup.stage.scale for setup in setups}) == 60
    assert any(setup.camera_from != setup.camera_to for setup in setups)
    assert any(setup.foreground for setup in setups)
    assert any(setup.clutter for setup in setups)
    lights = [setup.light[0, 200].mean() for setup in setups]
    assert max(lights) - min(lights) > 50


def test_clutter_is_never_the_prop_of_the_action() -> None:
    for seed in range(200):
        scene = random_scene(seed)
        clutter = SceneRenderer(scene, 112, 64).setup.clutter
        assert all(prop != scene.truth.prop for prop, _, _ in clutter)


def test_the_box_of_a_person_holds_the_coat() -> None:
    scene = one(action="raise_arms")
    renderer = SceneRenderer(scene, 112, 64)
    left, top, right, bottom = renderer.box(0, 1.0)
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1
    pose = renderer.instant(1.0).people[0]
    x, y = renderer.canvas.pixel(pose.world(pose.shoulder, renderer.setup.stage.scale))
    assert left < x / 16 / 224 < right
    assert top < y / 16 / 128 < bottom
