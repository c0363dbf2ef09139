"""The readers of annotations, by the name of their format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from calvin.core.registry import Manifest, Registry
from calvin.data.samples import DropReport, Kind, ReadResult, Sample


@dataclass(frozen=True, slots=True)
class ReaderManifest(Manifest[Callable[..., ReadResult]]):
    """What is known of a format before a file of it is read; its target is called with the file's path.

    `contextual` formats hold consecutive scenes of movies, so that earlier captions are context; `cleaning` names the
    rules (`data.cleaning.CLEANING`) that their captions need (Appendix A). Shards say themselves whether they hold
    images or clips; `kind` is what is assumed of empty ones. Formats of millions name in `stream` a function from a
    path, a report to fill and the options to the samples one by one.
    """

    kind: Kind = "video"
    contextual: bool = False
    cleaning: tuple[str, ...] = ()
    stream: Callable[..., Iterator[Sample]] | str | None = None

    what: ClassVar[str] = "data format"


def _reader(
    name: str, about: str, target: str, kind: Kind = "video", stream: str | None = None, **facts: Any
) -> ReaderManifest:
    room = "calvin.data.readers."
    return ReaderManifest(name, about, room + target, None, kind, stream=stream and room + stream, **facts)


_MOVIES: dict[str, Any] = {"contextual": True, "cleaning": ("credits",)}

READERS = Registry(
    ReaderManifest,
    (
        _reader("mad_v1", "MAD-v1 JSON", "movies:read_mad_v1", **_MOVIES),
        _reader("mad_csv", "MAD-v2 and MAD-eval CSV", "movies:read_mad_csv", **_MOVIES),
        _reader(
            "webvid",
            "WebVid CSV",
            "web_captions:read_webvid",
            stream="web_captions:stream_webvid",
            cleaning=("numbers",),
        ),
        _reader("cc3m", "CC3M TSV", "web_captions:read_cc3m", "image", "web_captions:stream_cc3m"),
        _reader("cc12m", "CC12M TSV", "web_captions:read_cc12m", "image", "web_captions:stream_cc12m"),
        _reader("llava", "LLaVA 558k and mix665k JSON", "llava:read_llava", "image"),
        _reader("tvc", "TVC JSON lines", "movies:read_tvc"),
        _reader("lsmdc", "LSMDC16 TSV", "movies:read_lsmdc", **_MOVIES),
        _reader("cmd_ad", "CMD-AD CSV", "movies:read_cmd_ad", **_MOVIES),
        _reader("tv_ad", "TV-AD CSV", "movies:read_tv_ad", **_MOVIES),
        _reader("webdataset", "webdataset shards", "shards:read_webdataset", "image", "shards:stream_webdataset"),
        _reader("tvr", "TVR JSON lines", "movies:read_tvr"),
    ),
    "readers",
    also=("mad (v1 or csv, by the file)",),
)


def resolve_format(name: str, path: str | Path) -> str:
    """The reader meant by a name as people write it: `cmd-ad`, or `mad`, which a file shows to be JSON or CSV.

    Raises:
        UsageError: the format is unknown.
    """
    if name.lower() == "mad":
        try:
            with open(path, "rb") as stream:
                head = stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
        except OSError:
            head = b""  # the reader says what is wrong with the file
        name = "mad_v1" if head.startswith(b"{") else "mad_csv"
    return READERS.find(name).name


def read(format: str, path: str | Path, **options: Any) -> ReadResult:
    """Read an annotation file of a named format.

    Raises:
        UsageError: the format is unknown.
    """
    return READERS.find(format).load()(path, **options)


def stream(
    manifest: ReaderManifest, path: str | Path, report: DropReport, options: Mapping[str, Any]
) -> Iterator[Sample] | None:
    """The samples of a file one by one, for files that do not fit into memory; None where the format cannot.

    `report` is filled meanwhile. Ids that come more than once are not counted: that takes a memory of all.
    """
    if manifest.stream is None:
        return None
    if isinstance(manifest.stream, str):
        function: Callable[..., Iterator[Sample]] = Manifest(manifest.name, manifest.about, manifest.stream).load()
    else:
        function = manifest.stream
    return function(path, report, **options)
