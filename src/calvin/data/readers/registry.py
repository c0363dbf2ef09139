"""The readers by the name of their format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from calvin.core.errors import ConfigError
from calvin.data.readers.cc import read_cc3m, read_cc12m
from calvin.data.readers.llava import read_llava
from calvin.data.readers.mad import read_mad_csv, read_mad_v1
from calvin.data.readers.tvc import read_tvc, read_tvr
from calvin.data.readers.webvid import read_webvid
from calvin.data.types import Kind, ReadResult


@dataclass(frozen=True, slots=True)
class ReaderManifest:
    """What is known of a format before a file of it is read.

    `contextual` formats hold consecutive scenes of movies, so that earlier captions are context; `scrub` says that
    numbers are scrubbed from their captions, `credits` that credits are removed (Appendix A).
    """

    format: str
    title: str
    kind: Kind
    reader: Callable[..., ReadResult]
    contextual: bool = False
    scrub: bool = False
    credits: bool = False


READERS = MappingProxyType(
    {
        manifest.format: manifest
        for manifest in (
            ReaderManifest("mad_v1", "MAD-v1 JSON", "video", read_mad_v1, contextual=True, credits=True),
            ReaderManifest("mad_csv", "MAD-v2 and MAD-eval CSV", "video", read_mad_csv, contextual=True, credits=True),
            ReaderManifest("webvid", "WebVid CSV", "video", read_webvid, scrub=True),
            ReaderManifest("cc3m", "CC3M TSV", "image", read_cc3m),
            ReaderManifest("cc12m", "CC12M TSV", "image", read_cc12m),
            ReaderManifest("llava", "LLaVA 558k and mix665k JSON", "image", read_llava),
            ReaderManifest("tvc", "TVC JSON lines", "video", read_tvc),
            ReaderManifest("tvr", "TVR JSON lines", "video", read_tvr),
        )
    }
)


def manifest_of(format: str) -> ReaderManifest:
    """Raises: ConfigError where the format is unknown."""
    if format not in READERS:
        raise ConfigError(f"The data format {format!r} is unknown; known are {', '.join(READERS)}.")
    return READERS[format]


def read(format: str, path: str | Path, **options: Any) -> ReadResult:
    """Read an annotation file of a named format."""
    return manifest_of(format).reader(path, **options)
