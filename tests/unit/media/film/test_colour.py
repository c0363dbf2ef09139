"""HDR and wide gamut as SDR: by hand, against FFmpeg's own conversion, and through a film."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.filter import Graph

from calvin.media.film.colour import BT2020, HLG, PQ, REFERENCE_WHITE, settle_colours, to_bt709
from calvin.media.film.decode import DecodeSettings, decode_film

BT709, TO_BT2020 = 1, np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
COLOURS = np.array([[0.5] * 3, [0.18] * 3, [0.02] * 3, [0] * 3, [0.7, 0.6, 0.1], [0.5, 0.1, 0.2], [0.1, 0.2, 0.6]])
"""Light in BT.709, reference white being 1."""


def sdr(light: np.ndarray) -> np.ndarray:
    return np.round(np.clip(light, 0, 1) ** (1 / 2.4) * 255).astype(int)


def coded(light: np.ndarray, transfer: int) -> np.ndarray:
    """Light [..., 3] as code values uint16, by the inverses of BT.2100's formulae (tables 4 and 5)."""
    nits = light * REFERENCE_WHITE
    if transfer == PQ:
        y = (nits / 10_000) ** (2610 / 16384)
        code = ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)
    elif transfer == HLG:
        display = nits / 1000
        luminance = (display @ [0.2627, 0.6780, 0.0593])[..., None]
        scene = display * np.where(luminance > 0, luminance, 1) ** (-0.2 / 1.2)
        log = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        code = np.where(scene <= 1 / 12, np.sqrt(3 * scene), log)
    else:
        code = light ** (1 / 2.4)
    return np.round(np.clip(code, 0, 1) * 65535).astype(np.uint16)


@pytest.mark.parametrize("transfer", [PQ, HLG, 14])
def test_colours_come_back(transfer: int) -> None:
    assert np.abs(to_bt709(coded(COLOURS @ TO_BT2020.T, transfer), transfer, BT2020) - sdr(COLOURS)).max() <= 1
    assert np.abs(to_bt709(coded(COLOURS, transfer), transfer, BT709) - sdr(COLOURS)).max() <= 1


@pytest.mark.parametrize(("transfer", "code"), [(PQ, 0.5807), (HLG, 0.7500)])
def test_reference_white_is_at_203_nits(transfer: int, code: float) -> None:
    """BT.2408, table 1: 58% of PQ and 75% of HLG."""
    assert coded(np.ones(3), transfer) / 65535 == pytest.approx(code, abs=2e-3)
    [white] = {*to_bt709(coded(np.ones(3), transfer), transfer, BT2020).tolist()}
    assert white == round(255 * (0.8 + 0.2 * (1 - np.exp(-1))) ** (1 / 2.4)) == 247


def test_highlights_are_bent_and_keep_their_order_and_hue() -> None:
    grey = to_bt709(coded(np.linspace(0, 4.9, 200)[:, None] * np.ones(3), PQ), PQ, BT2020)[:, 0].astype(int)
    assert (np.diff(grey) >= 0).all()
    assert grey[-1] == 255
    orange = to_bt709(coded(np.array([3, 1.5, 0.3]), PQ), PQ, BT709)
    assert orange[0] >= 254
    assert orange[1] == pytest.approx(255 * 0.5 ** (1 / 2.4), abs=1)
    assert orange[2] == pytest.approx(255 * 0.1 ** (1 / 2.4), abs=1)


@pytest.mark.slow
@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_below_the_bend_it_is_ffmpegs_own_conversion(transfer: int) -> None:
    """swscale, which takes seconds to begin: it too puts SDR's white at 203 nits, and without a curve clips there."""
    code = coded(COLOURS @ TO_BT2020.T, transfer)
    frame = av.VideoFrame.from_ndarray(np.kron(code[None], np.ones((16, 16, 1), np.uint16)), format="rgb48le")
    frame.color_trc, frame.color_primaries, frame.color_range, frame.colorspace = transfer, BT2020, 2, 0
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    scale = graph.add("scale", "out_primaries=bt709:out_transfer=bt709:intent=absolute_colorimetric")
    graph.link_nodes(source, scale, graph.add("format", "gbrp"), graph.add("buffersink")).configure()
    source.push(frame)
    theirs = graph.pull().to_ndarray()[8, 8::16].astype(int)
    assert np.abs(to_bt709(code, transfer, BT2020) - theirs).max() <= 2


def wide_film(path: Path, light: np.ndarray, transfer: int, colorspace: int = 9) -> Path:
    """A film of one colour in 10 bits, as HDR is sold."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = transfer, 9, colorspace, 1
        red, green, blue = coded(light @ TO_BT2020.T, transfer) / 65535
        luma = 0.2627 * red + 0.6780 * green + 0.0593 * blue
        planes = [876 * luma + 64, 896 * (blue - luma) / 1.8814 + 512, 896 * (red - luma) / 1.4746 + 512]
        for index in range(5):
            frame = av.VideoFrame(64, 48, "yuv444p10le")
            for plane, value in zip(frame.planes, planes, strict=True):
                plane.update(np.full(plane.buffer_size // 2, round(value), "<u2").tobytes())
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("transfer", [PQ, HLG, 14])
def test_an_hdr_film_gives_the_stills_of_its_sdr_version(tmp_path: Path, transfer: int) -> None:
    yellow = np.array([0.7, 0.6, 0.1])
    path = wide_film(tmp_path / "hdr.mkv", yellow, transfer)
    batches: list[np.ndarray] = []
    decoded = decode_film(path, tmp_path / "out", DecodeSettings(), on_batch=lambda batch: batches.append(batch.rgb))
    assert decoded.report.notes == ()
    assert np.abs(batches[0][0].reshape(-1, 3) - sdr(yellow)).max() <= 4


def test_colours_that_cannot_be_converted_are_named(tmp_path: Path) -> None:
    path = wide_film(tmp_path / "ictcp.mkv", np.array([0.7, 0.6, 0.1]), PQ, colorspace=14)
    [note] = decode_film(path, tmp_path / "out").report.notes
    assert note.startswith("The film's colours (ICtCp) cannot be converted")


def test_what_is_not_a_colour_space_is_passed_over() -> None:
    frame = av.VideoFrame(16, 16, "yuv420p")
    frame.colorspace, frame.color_trc, frame.color_primaries, frame.color_range = 3, 0, 99, 7
    assert settle_colours(frame) is None
    assert (frame.colorspace, frame.color_trc, frame.color_primaries, frame.color_range) == (2, 2, 2, 0)
