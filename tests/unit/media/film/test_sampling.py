"""The pictures at a steady rate, against the definition of them; clips and folders of stills give the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from calvin.core.errors import MediaError, UsageError
from calvin.media.film.sampling import FrameSampler, LongerSide, Size, fit, iter_clip_frames, read_image
from calvin.media.film.source import MediaLimits

Film = Callable[..., Path]
Number = Callable[[np.ndarray], int]


@dataclass
class Counting:
    """Stands for a scaler: turns a frame's number into a picture, counting conversions."""

    conversions: int = 0

    def rgb(self, frame: int) -> np.ndarray:
        self.conversions += 1
        return np.array(frame)


@settings(deadline=None, max_examples=300)
@given(
    st.integers(0, 900_000),
    st.lists(st.integers(1_000, 900_000), min_size=1, max_size=30),
    st.sampled_from([1, 2.5, 5, 24, 25, Fraction(30_000, 1001)]),
)
def test_picture_i_is_the_last_frame_not_after_i_over_fps(start: int, steps: list[int], fps: float) -> None:
    times = list(accumulate([start, *steps]))
    end = times.pop()
    counting = Counting()
    sampler = FrameSampler(fps, counting)  # type: ignore[arg-type]
    kept = [int(p) for index, time in enumerate(times) for p in sampler.feed(index, time)]  # type: ignore[arg-type]
    kept += [int(p) for p in sampler.finish(end)]
    exact = Fraction(fps).limit_denominator(1001)
    count = max(1, int(end * exact / 1_000_000 + Fraction(1, 2)))
    expected = [
        max((k for k, time in enumerate(times) if time * exact <= i * 1_000_000), default=0) for i in range(count)
    ]
    assert kept == expected
    assert counting.conversions <= len(set(kept)) + 1


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (None, (1280, 720)), (224, (398, 224)), (2000, (1280, 720)), ((64, 112), (112, 64)), (1, (2, 1)),
        (LongerSide(768), (768, 432)), (LongerSide(4000), (1280, 720)),
    ],
)  # fmt: skip
def test_fit(size: Size, expected: tuple[int, int]) -> None:
    assert fit(1280, 720, size) == expected
    assert fit(720, 1280, size) == (expected if isinstance(size, tuple) else expected[::-1])


def stills(folder: Path, count: int, suffix: str = "png") -> Path:
    folder.mkdir()
    for index in range(count):
        grey = np.full((48, 64, 3), 20 + 4 * index, np.uint8)
        Image.fromarray(grey).save(folder / f"frame{index}.{suffix}")
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def test_a_clip(film: Film, number: Number) -> None:
    frames = list(iter_clip_frames(film("a.mp4", count=25), fps=5))
    assert [time for time, _ in frames] == [0, 200, 400, 600, 800]
    assert [number(rgb) for _, rgb in frames] == [0, 5, 10, 15, 20]
    assert frames[0][1].shape == (48, 64, 3)
    assert next(iter_clip_frames(film("b.mp4", count=5), size=(16, 28)))[1].shape == (16, 28, 3)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_folder_in_natural_order(tmp_path: Path, number: Number, suffix: str) -> None:
    frames = list(iter_clip_frames(stills(tmp_path / "f", 12, suffix), fps=5))
    assert [number(rgb) for _, rgb in frames] == list(range(12))
    assert frames[-1][0] == 2200


def test_a_folder_at_another_rate(tmp_path: Path, number: Number) -> None:
    folder = stills(tmp_path / "f", 50)
    assert [number(rgb) for _, rgb in iter_clip_frames(folder, 5, folder_fps=25)] == list(range(0, 50, 5))
    few = [number(rgb) for _, rgb in iter_clip_frames(stills(tmp_path / "g", 3), 4, folder_fps=2)]
    assert few == [0, 0, 1, 1, 2, 2]


def test_a_folders_stills_get_one_size(tmp_path: Path) -> None:
    folder = stills(tmp_path / "f", 2)
    Image.new("L", (30, 90)).save(folder / "frame9.png")
    assert {rgb.shape for _, rgb in iter_clip_frames(folder, size=24)} == {(24, 32, 3)}


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(MediaError, match="holds no images"):
        next(iter_clip_frames(tmp_path / "none"))
    with pytest.raises(MediaError, match="does not exist"):
        next(iter_clip_frames(tmp_path / "absent.mp4"))
    with pytest.raises(UsageError, match="above 0"):
        next(iter_clip_frames(tmp_path / "none", fps=0))
    broken = tmp_path / "x.png"
    broken.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(MediaError, match="not an image"):
        read_image(broken)
    Image.new("RGB", (100, 100)).save(tmp_path / "large.png")
    with pytest.raises(MediaError, match="more than 99 pixels"):
        read_image(tmp_path / "large.png", limits=MediaLimits(max_pixels=99))
