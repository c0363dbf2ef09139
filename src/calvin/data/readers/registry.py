"""The readers by the name of their format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from calvin.core.errors import ConfigError
from calvin.data.readers.autoad import read_cmd_ad, read_tv_ad
from calvin.data.readers.cc import read_cc3m, read_cc12m
from calvin.data.readers.llava import read_llava
from calvin.data.readers.lsmdc import read_lsmdc
from calvin.data.readers.mad import read_mad_csv, read_mad_v1
from calvin.data.readers.shards import read_webdataset
from calvin.data.readers.tvc import read_tvc, read_tvr
from calvin.data.readers.webvid import read_webvid
from calvin.data.samples import Kind, ReadResult


@dataclass(frozen=True, slots=True)
class ReaderManifest:
    """What is known of a format before a file of it is read.

    `contextual` formats hold consecutive scenes of movies, so that earlier captions are context; `scrub` says that
    numbers are scrubbed from their captions, `credits` that credits are removed (Appendix A). Shards say themselves
    whether they hold images or clips; `kind` is what is assumed of empty ones.
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
            ReaderManifest("lsmdc", "LSMDC16 TSV", "video", read_lsmdc, contextual=True, credits=True),
            ReaderManifest("cmd_ad", "CMD-AD CSV", "video", read_cmd_ad, contextual=True, credits=True),
            ReaderManifest("tv_ad", "TV-AD CSV", "video", read_tv_ad, contextual=True, credits=True),
            ReaderManifest("webdataset", "webdataset shards", "image", read_webdataset),
            ReaderManifest("tvr", "TVR JSON lines", "video", read_tvr),
        )
    }
)


def resolve_format(name: str, path: str | Path) -> str:
    """The reader meant by a name as people write it: `cmd-ad`, or `mad`, which a file shows to be JSON or CSV.

    Raises:
        ConfigError: the format is unknown.
    """
    format = name.replace("-", "_").lower()
    if format == "mad":
        try:
            with open(path, "rb") as stream:
                head = stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
        except OSError:
            head = b""  # the reader says what is wrong with the file
        format = "mad_v1" if head.startswith(b"{") else "mad_csv"
    return manifest_of(format).format


def manifest_of(format: str) -> ReaderManifest:
    """Raises: ConfigError where the format is unknown."""
    if format not in READERS:
        raise ConfigError(f"The data format {format!r} is unknown; known are {', '.join(READERS)}.")
    return READERS[format]


def read(format: str, path: str | Path, **options: Any) -> ReadResult:
    """Read an annotation file of a named format."""
    return manifest_of(format).reader(path, **options)
