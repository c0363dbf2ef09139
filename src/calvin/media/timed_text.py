"""Files of timed text: their encoding, their format, and the cues of SubRip and WebVTT, whatever state they are in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from calvin.core.errors import DataError, SubtitleError
from calvin.core.time import round_half_up, to_ms
from calvin.media.timecode import FRAME_CODE, FrameCount

MAX_BYTES = 20_000_000
MAX_CUES = 100_000

_STAMP = r"-?\d{1,3}[ ]?:[ ]?\d{1,2}(?:[ ]?:[ ]?\d{1,2})?(?:[ ]?[.,:;][ ]?\d{1,9})?|(?<![\d:.,])\d{1,6}(?:[.,]\d{1,9})?"
_TIMES = re.compile(
    rf"(?<![\d:])(?<!\d[.,-])({_STAMP})[ \t]{{0,9}}(?:-{{1,3}} ?>|[–—]+>|→)[ \t]{{0,9}}({_STAMP})(?![\d:])"
)
_CLOCK = re.compile(r"(-?)(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2})(?:[.,;](\d{1,9})|:(\d{3,9}))?")
_SECONDS = re.compile(r"\d{1,6}(?:[.,]\d{1,9})?")
_SETTING = re.compile(r"[A-Za-z]+\d?:\S+")
_ASIDE = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<[\d:.]+>")
_OVERRIDE = re.compile(r"\{\\[a-zA-Z][^{}]*\}")

_CENTRAL = ["áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "ąćęłńóśźż", "áéíóöőúüű", "čćđšž", "ăâîşţșț"]
_ALPHABETS = {
    "cp1252": [
        *("àâæçéèêëîïôœùûüÿ", "äöüß", "áéíñóúü", "àáâãçéêíóôõú", "àèéìíîòóù", "åäöé", "æøåéòô"),
        *("áéíóúýþæöð", "éëïóèöü", "àçèéíïòóúü"),
    ],
    "cp1250": _CENTRAL,
    "iso8859_2": _CENTRAL,
    "cp1254": ["âçğıîöşûü"],
    "cp1257": ["ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž"],
}
"""The letters beyond ASCII of the languages that are written in each code page, the commonest page first."""
_CODE_PAGES = [
    *_ALPHABETS,
    "cp1251",
    "cp1253",
    "cp1255",
    "cp1256",
    "cp932",
    "euc_jp",
    "gb18030",
    "big5",
    "cp949",
    "koi8_r",
]
_SAMPLE = 20_000


class DecodedText(NamedTuple):
    """The text of a file with `\\n` line ends and without a byte order mark; `guessed`: nothing says the encoding."""

    text: str
    encoding: str
    guessed: bool = False

    @property
    def doubt(self) -> str | None:
        """A sentence for people, where the letters may be wrong."""
        if not self.guessed:
            return None
        cure = "save it as UTF-8, or name its `--encoding`"
        return f"The text was read as {self.encoding}, which is a guess: if letters are wrong, {cure}."

    @property
    def loss(self) -> str | None:
        """A sentence for people, where letters are lost: they are, or came to be, the replacement character."""
        lost = self.text.count("\ufffd")
        line = self.text.partition("\ufffd")[0].count("\n") + 1
        what = "a letter that" if lost == 1 else f"{lost} letters that"
        return f"It holds {what} cannot be read as {self.encoding}, first in line {line}." if lost else None


@dataclass(frozen=True, slots=True)
class SoundSource:
    """Where the recording of a text is: in a file beside the document (`src`), or in it (`data`, base64). It is heard
    from `first_ms` on, until `last_ms` (None: its end)."""

    src: str = ""
    data: str = ""
    first_ms: int = 0
    last_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ScriptEvent:
    """What TTML and its profile DAPT say of a text beside its words and times; "" where they say nothing.

    `represents` is what of the film it puts into words (a content descriptor such as "visual.text.location"),
    `language` its own language and `source` that of what it stands for (`daptm:langSrc`), `on_screen` where that is
    ("ON_OFF"), and `descriptions` are remarks with their types ("pronunciationNote"). Texts of one event, in several
    languages, share its `number`. `transcript`: the script writes down what is in the film, and describes nothing.
    `agents` are the ids of who speaks, and `sounds` the recordings of the text.
    """

    represents: str = ""
    language: str = ""
    source: str = ""
    on_screen: str = ""
    descriptions: tuple[tuple[str, str], ...] = ()
    number: int = 0
    transcript: bool = False
    agents: str = ""
    sounds: tuple[SoundSource, ...] = ()


@dataclass(frozen=True, slots=True)
class TimedCue:
    """A cue as its file has it: with markup, and times that may run backwards or begin before the film.

    `where` names it to people; `name` is its own, such as a number. `note` is what the file says about it: WebVTT in a
    comment before it, calvin's DAPT in an attribute. `event` is what TTML says of it.
    """

    start_ms: int
    end_ms: int
    text: str
    where: str
    name: str = ""
    speaker: str = ""
    note: str = ""
    event: ScriptEvent = ScriptEvent()


class TimedText(NamedTuple):
    """The cues in the file's order, and what could not be read, each with its place and its times."""

    cues: list[TimedCue]
    unread: list[str]


def read_text(
    path: Path, what: str = "subtitles", formats: str = "SRT, VTT, ASS or TTML", encoding: str | None = None
) -> DecodedText:
    """The text of a file of timed text.

    Args:
        what: what people call its content.
        formats: those that may be given instead.
        encoding: of the file, where it is known.

    Raises:
        SubtitleError: it cannot be read, is too large, empty, no text, or not in that encoding.
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if path.is_file() and size <= MAX_BYTES else b""
    except OSError as error:
        raise SubtitleError(f"The {what} {path} cannot be read ({error.strerror}): check the name.") from error
    if not path.is_file():
        raise SubtitleError(f"{path} is not a file, so it holds no {what}: check the name.")
    if size > MAX_BYTES:
        raise SubtitleError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB, more than the {what} of any film.")
    if not data.strip():
        raise SubtitleError(f"{path} is empty, so it holds no {what}: give another file.")
    found = _named(data, encoding, path) if encoding else _decode(data)
    if "\0" in found.text:
        raise SubtitleError(f"{path} is not text, so it holds no {what}: give {formats}.")
    text = found.text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return found._replace(text=text)


def _named(data: bytes, encoding: str, path: Path) -> DecodedText:
    try:
        return DecodedText(data.decode(encoding), encoding)
    except (LookupError, ValueError) as error:
        raise SubtitleError(f"{path} cannot be read as {encoding}: name its encoding, such as cp1250.") from error


def _decode(data: bytes) -> DecodedText:
    """By byte order mark, else UTF-16 by its zero bytes, else UTF-8, else as its XML says, else by its letters."""
    marks = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    marked = next((name for mark, name in marks.items() if data.startswith(mark)), None)
    if marked is None and b"\0" in data[:1000]:
        marked = "utf-16-le" if data[1:1000:2].count(0) > data[0:1000:2].count(0) else "utf-16-be"
    if marked is not None:
        return DecodedText(data.decode(marked, errors="replace"), marked)
    try:
        return DecodedText(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        pass
    repaired = data.decode("utf-8", errors="replace")
    beyond, bad = sum(letter > "\x7f" for letter in repaired), repaired.count("\ufffd")
    if beyond > 3 * bad:  # cut or patched: everything else in it is UTF-8
        return DecodedText(repaired, "utf-8")
    declared = re.match(rb"""\s*<\?xml[^>]{0,200}encoding\s*=\s*["']([\w.-]{1,40})""", data[:400])
    if declared and not declared[1].lower().startswith(b"utf"):
        try:
            return DecodedText(data.decode(declared[1].decode()), declared[1].decode().lower())
        except (LookupError, ValueError):
            pass
    # Of all programs, those that end lines as old Macs did also write their letters.
    encoding = "mac_roman" if b"\r" in data and b"\n" not in data else _guess(data)
    return DecodedText(data.decode(encoding, errors="replace"), encoding, guessed=True)


def _guess(data: bytes) -> str:
    """The code page that makes most sense of the letters beyond ASCII.

    charset-normalizer tells scripts apart. Between the pages of Latin letters, where it often errs on short texts,
    that page is taken in which one language's alphabet has most of the letters.
    """
    from charset_normalizer import from_bytes

    sample = b"\n".join(line for line in data.splitlines() if not line.isascii())[:_SAMPLE]
    best = from_bytes(sample, cp_isolation=_CODE_PAGES, enable_fallback=False).best()
    if best is not None and best.encoding not in _ALPHABETS:
        return best.encoding

    def known(page: str) -> float:
        letters = [letter for letter in sample.decode(page, errors="replace").lower() if letter > "\x7f"]
        letters = [letter for letter in letters if letter not in "\xa0«»¿¡°©®·♪–—‘’‚“”„…"]
        return max(sum(map(alphabet.count, letters)) for alphabet in _ALPHABETS[page]) / max(1, len(letters))

    return max(_ALPHABETS, key=known)


def format_of(text: str) -> str | None:
    """By its content: "vtt", "ass", "ssa", "ttml", "srt", or None."""
    head = text.lstrip("\ufeff \n\t")
    if head.startswith("WEBVTT"):
        return "vtt"
    if re.search(r"^\[V4\+ Styles\]|^\[Script Info\]", head, re.IGNORECASE | re.MULTILINE):
        return "ssa" if re.search(r"^\[V4 Styles\]", head, re.IGNORECASE | re.MULTILINE) else "ass"
    if head.startswith("<") and re.search(r"<(?:\w+:)?tt[\s>]", head[:10_000]):
        return "ttml"
    return "srt" if "-->" in text or _TIMES.search(text) else None


def without_tags(text: str, overrides: bool = True) -> str:
    """Text without the markup of SRT and WebVTT and, with `overrides`, of SubStation, which both are found with."""
    text = _TAG.sub("", text)
    return _OVERRIDE.sub("", text) if overrides else text


@dataclass(slots=True)
class _Block:
    """What follows one line of times; the first block stands before all of them. `times` None: they make no sense."""

    number: int
    times: re.Match[str] | None
    lines: list[str]
    name: str = ""
    note: str = ""


def read_cues(text: str, kind: str, count: FrameCount | None = None) -> TimedText:
    """The cues of SubRip ("srt") or WebVTT ("vtt").

    A cue's text reaches to the next times, over blank lines, also where none stands before the next cue. What stands
    directly over times is their name if it looks like one. Times that make no sense are named in `unread`, and the
    text under them is no other cue's.

    Args:
        count: of frames, by which times such as 00:00:01:12 are read.
    """
    head, *blocks = _blocks(text)
    form = previous = ""
    for before, block in pairwise([head, *blocks]):
        block.name = _take_name(before, kind, form, previous, before is head)
        if kind == "vtt":
            block.note = _comment(before.lines, block.name, before is head)
        previous = block.name
        form = form or re.sub(r"\d+", "#", block.name)
    cues: list[TimedCue] = []
    unread: list[str] = []
    for block in blocks:
        where = f"line {block.number}"
        stamps = block.times.groups() if block.times else (block.lines[0].strip()[:60],)
        times = [time_ms(stamp, count) for stamp in stamps]
        wrong = next((stamp for stamp, ms in zip(stamps, times, strict=True) if ms is None), None)
        if wrong is None:
            said = _said(block.lines, kind)
            cues.append(TimedCue(times[0] or 0, times[-1] or 0, said, where, block.name, note=block.note))
        else:
            unread.append(f"{where}: {not_a_time(wrong, count)}")
    return TimedText(cues, unread)


def _blocks(text: str) -> list[_Block]:
    """The lines of a file, parted at its times; text may stand on one line with them."""
    blocks = [_Block(0, None, [])]
    above = ""
    for number, line in enumerate(text.split("\n"), start=1):
        at = 0
        for match in _TIMES.finditer(line):
            usual = ":" in match[0] and "-->" in match[0]
            if not usual and (match[0] != line.strip() or (above.strip() and not above.strip().isdecimal())):
                continue  # "from 1 --> 2" or "1:00 -> 2:00" in a text
            _add(blocks, number, line[at : match.start()], glued=True)
            blocks.append(_Block(number, match, []))
            at = match.end()
        settings_gone = " ".join(word for word in line[at:].split(" ") if not _SETTING.fullmatch(word)) if at else line
        _add(blocks, number, settings_gone)
        above = line
    return blocks


def _add(blocks: list[_Block], number: int, text: str, glued: bool = False) -> None:
    """Add a line, or what stands before the times on it (`glued`); broken times begin a block of their own."""
    if "-->" in text:
        blocks.append(_Block(number, None, []))
    if text.strip() or not glued:
        blocks[-1].lines.append(text)


def _take_name(block: _Block, kind: str, form: str, previous: str, first: bool) -> str:
    """Take the name of the next cue out of the end of a block."""
    lines = block.lines
    last = next((i for i in reversed(range(0 if first else 1, len(lines))) if lines[i].strip()), None)
    if last is None:
        return ""
    name = lines[last].strip()
    number = len(name) < 10 and name.isdecimal()
    follows = number and previous.isdecimal() and int(name) == int(previous) + 1
    alike = "#" in form and form == re.sub(r"\d+", "#", name)
    alone = not first and not any(line.strip() for line in lines[:last])
    apart = not lines[last - 1].strip() if last > (not first) else first
    if last < len(lines) - 1:
        taken = apart and (follows or (first and number))
    elif apart:
        taken = number or alike or (kind == "vtt" and not alone)
    else:
        taken = follows or (alike and not alone)
    if not taken:
        return ""
    del lines[last:]
    return name


def _comment(lines: list[str], name: str, first: bool) -> str:
    """The comment of WebVTT that ends a block; also where it was meant as one, and stands on the times as a name."""
    *rest, last = [name] if name.startswith("NOTE") else re.split(r"\n[ \t]*\n", "\n".join(lines).rstrip())
    match = re.fullmatch(r"NOTE(\s.*)?", last.strip(), re.DOTALL) if rest or first or last == name else None
    return " ".join((match[1] or "").split()) if match else ""


def _said(lines: list[str], kind: str) -> str:
    """A cue's lines without the blank ones, and without a comment or style that follows it in WebVTT."""
    aside = len(lines)
    if kind == "vtt":
        after_blank = (i for i in range(2, len(lines)) if not lines[i - 1].strip() and _ASIDE.match(lines[i]))
        aside = next(after_blank, aside)
    return "\n".join(line.strip() for line in lines[:aside] if line.strip())


def time_ms(stamp: str, count: FrameCount | None = None) -> int | None:
    """A time as subtitle files write it, with or without hours and fraction, in ms; None where it makes no sense.

    Args:
        count: of frames, for times such as 00:00:01:12.
    """
    stamp = stamp.replace(" ", "")
    if FRAME_CODE.fullmatch(stamp) is not None:
        return _frames_ms(stamp, count)
    clock = _CLOCK.fullmatch(stamp)
    if clock is None:
        return to_ms(float(stamp.replace(",", "."))) if _SECONDS.fullmatch(stamp) else None
    sign, hours, minutes, seconds, fraction = clock[1], clock[2] or "0", clock[3], clock[4], clock[5] or clock[6] or "0"
    if int(seconds) > 59 or (clock[2] and int(minutes) > 59):
        return None
    whole = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000
    ms = whole + round_half_up(int(fraction) * 1000 / 10 ** len(fraction))
    return -ms if sign else ms


def _frames_ms(stamp: str, count: FrameCount | None) -> int | None:
    try:
        return count.ms(stamp) if count else None
    except DataError:
        return None


def not_a_time(stamp: str, count: FrameCount | None = None) -> str:
    """What is wrong with a time that cannot be read."""
    if FRAME_CODE.fullmatch(stamp.replace(" ", "")) is None:
        return f"{stamp!r} is not a time code such as 00:01:02.500"
    problem = f"{stamp!r} counts frames, and their rate is not known"
    if count is not None:
        try:
            count.ms(stamp.replace(" ", ""))
        except DataError as error:
            problem = str(error)
    return f"{problem}; `calvin import --frame-rate` names another"
