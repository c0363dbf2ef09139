"""What the writing in a film is: text, its title or credits, and not burnt-in subtitles, what stands there for most of
the film (logos, clocks) or noise. There is no dictionary in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher

from calvin.core.time import Span
from calvin.core.types import CueKind, DialogueLine
from calvin.media.film.ocr import Box, TextLine
from calvin.media.film.text_tracks import STILL_MS, Track, alike, folded, follow, shared_area

CREDIT_WORDS = re.compile(
    r"\b(?:(?:directed|produced|written|edited|music|screenplay|story|costumes?|cast(?:ing)?)\s*(?:designed\s*)?by"
    r"|producers?|director|editor|cinematograph\w*|presents?|starring|in\s+association\s+with|pictures|the\s*end"
    r"|an?\s+[\w'’. -]{0,30}\b(?:film|picture|production)|all\s+rights\s+reserved|copyright|entertainment)\b|©",
    re.IGNORECASE,
)
"""What credits say, in English."""

_SURE = 0.8
_SURE_AT_ONCE = 0.95
_EDGE_MS = 180_000
"""How far from the ends of a film title and credits may stand."""
_LOW = 0.66
"""Below this share of the picture's height lie subtitles."""
_MANY_LINES = 4
_TALLEST = 0.4
"""Share of the picture's height above which a shape is no letter, unless it is a narrow column of letters."""
AGAIN_MS = 15_000
"""For how long after it is gone the same text is not told again."""
_MOST = 1000


@dataclass(frozen=True, slots=True)
class ScreenText:
    """What is written in one place: its lines from top to bottom, how high each is as a share of the picture's height,
    and when it can be read for sure."""

    kind: CueKind
    span: Span
    lines: tuple[str, ...]
    heights: tuple[float, ...]
    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class ScreenTexts:
    """The texts of a film in time order, and what was left out: how many by reason, and the spans of subtitles."""

    texts: tuple[ScreenText, ...]
    left_out: dict[str, int] = field(default_factory=dict)
    subtitles: tuple[Span, ...] = ()


def screen_texts(
    readings: Sequence[Sequence[TextLine]],
    duration_ms: int,
    dialogue: Iterable[DialogueLine] = (),
    title: str = "",
    names: Iterable[str] = (),
) -> ScreenTexts:
    """What can be read in a film.

    Args:
        readings: the lines in each still, one a second.
        dialogue: what is said; text may be unknown.
        title: of the film, where something like one is known, such as the name of its file.
        names: of people, in which letters that look alike are told apart; those who speak are known anyway.
    """
    tracks = follow(readings)
    spoken = sorted(dialogue, key=lambda line: line.span)
    left_out: Counter[str] = Counter()
    standing = _standing(tracks, duration_ms)
    subtitles = _subtitles([track for track in tracks if id(track) not in standing], spoken, duration_ms)
    kept = []
    for track in tracks:
        why = "standing" if id(track) in standing else "subtitle" if id(track) in subtitles else _noise(track)
        if why:
            left_out[why] += 1
        else:
            kept.append(track)
    known = {_lookalike(name): name for name in (*names, *(line.speaker.title() for line in spoken)) if len(name) > 2}
    texts = [_with_names(text, known) for text in _told(_cards(kept), duration_ms, title)[:_MOST]]
    heard = sorted(track.span(duration_ms) for track in tracks if id(track) in subtitles)
    return ScreenTexts(tuple(texts), dict(left_out), tuple(heard))


def _noise(track: Track) -> str:
    """Why a track is not worth saying; blank where it is."""
    text = track.text
    letters = sum(char.isalpha() for char in text)
    if track.score < _SURE or letters < 0.4 * len(folded(text)):
        return "" if _YEAR.fullmatch(text.strip()) and track.score >= _SURE and track.height > 0.05 else "noise"
    left, _, right, _ = track.box
    if track.height > _TALLEST and right - left > track.height / 3:
        return "noise"
    if len(track.seen) < 2 and not (track.score >= _SURE_AT_ONCE and letters >= 5):
        return "noise"
    return "" if any(map(_is_word, re.findall(r"[^\W_]+", text))) and not _CODE.fullmatch(text) else "noise"


def _lookalike(word: str) -> str:
    """A word with one letter for all that look like it."""
    return word.replace("1", "l").replace("I", "l").replace("0", "O").casefold()


def _with_names(text: ScreenText, known: dict[str, str]) -> ScreenText:
    """The text with names as they are known: an I at the beginning is often read as an l."""

    def right(word: re.Match[str]) -> str:
        name = known.get(_lookalike(word[0]), "")
        return name if name and not word[0].isupper() else word[0]

    return replace(text, lines=tuple(re.sub(r"[^\W_]+", right, line) for line in text.lines))


_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_CODE = re.compile(r"(?=[^a-z]*\d)(?!.*[A-Z]{4})[A-Z\d .·-]{4,12}")
"""Number plates and the like: capitals and digits mixed, and no word among them."""
_VOWEL = re.compile(r"[aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýąęőűůœı]", re.IGNORECASE)


def _is_word(word: str) -> bool:
    if any("\u3040" <= char <= "\u9fff" for char in word):
        return len(word) >= 2
    return len(word) >= 3 and word.isalpha() and bool(_VOWEL.search(word))


def _standing(tracks: Sequence[Track], duration_ms: int) -> set[int]:
    """The tracks, by identity, of what stands in its place for most of a film: a logo, a clock, a banner."""
    found: set[int] = set()
    groups: list[list[Track]] = []
    for track in tracks:
        home = next((group for group in groups if _same_place(group[0], track)), None)
        if home is None:
            groups.append([track])
        else:
            home.append(track)
    for group in groups:
        seconds = sum(len(track.seen) for track in group)
        x, y = group[0].centre
        aside = (x < 0.3 or x > 0.7) and (y < 0.2 or y > 0.8)
        small = group[0].height < 0.09
        share = seconds * STILL_MS / max(duration_ms, 1)
        if small and ((aside and share > 0.3 and seconds >= 20) or (share > 0.5 and seconds >= 90)):
            found |= {id(track) for track in group}
    return found


def _same_place(one: Track, other: Track) -> bool:
    """Whether two tracks are the same thing in the same place; digits may have changed."""
    if shared_area(one.box, other.box) < 0.3:
        return False
    plain = [re.sub(r"\d", "0", track.text) for track in (one, other)]
    return alike(*plain) >= 0.85


def _subtitles(tracks: Sequence[Track], spoken: Sequence[DialogueLine], duration_ms: int) -> set[int]:
    """The tracks, by identity, of burnt-in subtitles.

    They say what is said; or lie low and in the middle, at one height, and come and go with the talk.
    """
    found = {id(track) for track in tracks if _says(track, spoken, duration_ms)}
    low = [track for track in tracks if _lies_low(track) and not _belongs(track, tracks)]
    with_talk = {id(track) for track in low if _share_in_talk(track, spoken, duration_ms) >= 0.6}
    for track in low:
        band = [other for other in low if abs(other.centre[1] - track.centre[1]) < 0.12 and not other.rolls]
        texts = {folded(other.text) for other in band}
        share = sum(id(other) in with_talk | found for other in band) / len(band)
        # Where no talk is known, many lines that change at one height are still nothing else.
        many = len(texts) >= 3 and (share >= 0.5 or (not spoken and len(texts) >= 5))
        if many or (id(track) in with_talk and _comes_with_talk(track, spoken)):
            found.add(id(track))
    sure = [track for track in low if id(track) in found]
    # Over a card somebody may speak too: it is the place that tells a subtitle from the card's own last line.
    return found | {id(track) for track in tracks if _lies_low(track) and any(_in_line(track, other) for other in sure)}


def _in_line(one: Track, other: Track) -> bool:
    return abs(one.centre[1] - other.centre[1]) < 0.03 and abs(one.height - other.height) < 0.3 * other.height


def _belongs(track: Track, tracks: Sequence[Track]) -> bool:
    """Whether it stands under another line as part of a card, for just as long."""
    return any(
        abs(other.first - track.first) <= 1
        and abs(other.last - track.last) <= 1
        and not _lies_low(other)
        and _together(other, track)
        for other in tracks
        if other is not track
    )


def _lies_low(track: Track) -> bool:
    x, y = track.centre
    return y > _LOW and abs(x - 0.5) < 0.15 and track.height < 0.13 and not track.rolls


def _says(track: Track, spoken: Sequence[DialogueLine], duration_ms: int) -> bool:
    """Whether a line of dialogue of the time has these words."""
    span, said = track.span(duration_ms), folded(track.text)
    near = Span(max(0, span.start_ms - 2000), span.end_ms + 2000)
    if len(said) < 4:
        return False
    for line in spoken:
        if line.text and line.span.overlap_ms(near):
            words = folded(line.text)
            if alike(words, said) >= 0.7 or (len(said) >= 8 and _is_part(said, words)):
                return True
    return False


def _is_part(part: str, whole: str) -> bool:
    """Whether most of a text stands in another, in one piece but for misread letters."""
    matcher = SequenceMatcher(None, part, whole, autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks() if block.size >= 3) >= 0.8 * len(part)


def _share_in_talk(track: Track, spoken: Sequence[DialogueLine], duration_ms: int) -> float:
    span = track.span(duration_ms)
    wide = [Span(max(0, line.span.start_ms - 700), line.span.end_ms + 1000) for line in spoken]
    return sum(line.overlap_ms(span) for line in wide) / max(span.duration_ms, 1)


def _comes_with_talk(track: Track, spoken: Sequence[DialogueLine]) -> bool:
    """Whether it comes and goes with a line that is said."""
    start, end = track.first * STILL_MS, (track.last + 1) * STILL_MS
    return any(abs(line.span.start_ms - start) <= 1500 and abs(line.span.end_ms - end) <= 2500 for line in spoken)


def _cards(tracks: Sequence[Track]) -> list[list[Track]]:
    """Lines that stand together at the same time; what rolls is one card for as long as it goes on."""
    cards: list[list[Track]] = []
    for track in tracks:
        home = next((card for card in reversed(cards[-40:]) if any(_together(other, track) for other in card)), None)
        if home is None:
            cards.append([track])
        else:
            home.append(track)
    return cards


def _together(one: Track, other: Track) -> bool:
    if one.rolls or other.rolls:
        # A line that is read only as it leaves has not moved far enough to be known by itself.
        return other.first - one.last <= 3 and (one.rolls == other.rolls or one.climb > 0 < other.climb)
    shared = min(one.last, other.last) - max(one.first, other.first) + 1
    longer = max(one.last - one.first, other.last - other.first) + 1
    (left, top, right, bottom), (start, high, end, low) = one.box, other.box
    gap = max(high - bottom, top - low)
    overlaps = min(right, end) > max(left, start) or abs(one.centre[0] - other.centre[0]) < 0.1
    return shared >= 0.5 * longer and overlaps and gap < 2.2 * max(one.height, other.height)


def _told(cards: Sequence[Sequence[Track]], duration_ms: int, title: str) -> list[ScreenText]:
    """Each card with its kind: one title, and credits joined where they follow one another."""
    texts = [_text(card, duration_ms) for card in cards]
    named = _title(texts, cards, duration_ms, title)
    told: list[ScreenText] = []
    for number, (text, card) in enumerate(zip(texts, cards, strict=True)):
        kind = (
            CueKind.TITLE if number == named else CueKind.CREDIT if _is_credit(text, card, duration_ms) else text.kind
        )
        text = replace(text, kind=kind)
        before = told[-1] if told else None
        if kind is CueKind.CREDIT and before and before.kind is kind and _follows(before, text):
            told[-1] = _with_more(before, text)
        elif not (before and _again(told, text)):
            told.append(text)
    return sorted(told, key=lambda text: text.span)


def _with_more(before: ScreenText, text: ScreenText) -> ScreenText:
    """Credits that go on with those of another card, each line once."""
    new = [number for number, line in enumerate(text.lines) if line not in before.lines]
    return replace(
        before,
        span=Span(before.span.start_ms, max(before.span.end_ms, text.span.end_ms)),
        lines=(*before.lines, *(text.lines[number] for number in new)),
        heights=(*before.heights, *(text.heights[number] for number in new)),
        score=min(before.score, text.score),
    )


def _follows(before: ScreenText, text: ScreenText) -> bool:
    return text.span.start_ms - before.span.end_ms <= 10_000


def _again(told: Sequence[ScreenText], text: ScreenText) -> bool:
    """Whether the same was read in the same place shortly before, as where somebody walks past a sign."""
    return any(other.lines == text.lines and text.span.start_ms - other.span.end_ms <= AGAIN_MS for other in told[-5:])


def _text(card: Sequence[Track], duration_ms: int) -> ScreenText:
    rolls = any(track.rolls for track in card)
    # What rolls is read in the order in which it comes up.
    ordered = sorted(card, key=lambda track: (track.first if rolls else 0, track.seen[0][1].box[1], track.box[0]))
    spans, boxes = [track.span(duration_ms) for track in card], [track.box for track in card]
    left, top = (min(box[i] for box in boxes) for i in (0, 1))
    right, bottom = (max(box[i] for box in boxes) for i in (2, 3))
    span = Span(min(span.start_ms for span in spans), max(span.end_ms for span in spans))
    score = min(track.score for track in card)
    lines, heights = tuple(track.text for track in ordered), tuple(track.height for track in ordered)
    return ScreenText(CueKind.TEXT, span, lines, heights, (left, top, right, bottom), score)


def _is_credit(text: ScreenText, card: Sequence[Track], duration_ms: int) -> bool:
    """Near the beginning or the end: lines that roll, many lines, or the words of credits."""
    near = min(_EDGE_MS, duration_ms // 4)
    at_edge = text.span.start_ms < near or text.span.end_ms > duration_ms - near
    rolling = sum(track.rolls for track in card)
    if rolling >= 3:
        return True
    return at_edge and (
        bool(CREDIT_WORDS.search(" ".join(text.lines))) or (len(text.lines) >= _MANY_LINES and _are_names(text.lines))
    )


def _are_names(lines: Sequence[str]) -> bool:
    """Whether most lines are words with capitals, as names and their jobs are, and no sentences."""
    named = [line for line in lines if all(word[:1].isupper() for word in line.split() if len(word) > 3)]
    return 3 * len(named) >= 2 * len(lines) and not any(line.rstrip().endswith((",", "?", "!")) for line in lines)


def _title(texts: Sequence[ScreenText], cards: Sequence[Sequence[Track]], duration_ms: int, title: str) -> int | None:
    """Which card is the film's title: what says so, else the largest that stands in the middle near the start."""
    near = min(_EDGE_MS, duration_ms // 4)
    found: list[tuple[float, int]] = []
    for number, (text, card) in enumerate(zip(texts, cards, strict=True)):
        largest = max(card, key=lambda track: track.height)
        if title and len(folded(title)) >= 4 and alike(largest.text, title) >= 0.8 and text.span.start_ms < 3 * near:
            return number
        middle = abs(largest.centre[0] - 0.5) < 0.12 and not largest.rolls and len(largest.seen) >= 2
        steady = shared_area(largest.seen[0][1].box, largest.seen[-1][1].box) > 0.6
        if text.span.start_ms < near and middle and steady and largest.height >= 0.06 and len(card) < _MANY_LINES:
            rest = " ".join(line for line in text.lines if line != largest.text)
            if not CREDIT_WORDS.search(largest.text) or CREDIT_WORDS.search(rest):
                found.append((largest.height, number))
    # Of those that are about as large, the first: a place or a time may be told in letters as large later on.
    tall = max((height for height, _ in found), default=0.0)
    return next((number for height, number in found if height >= 0.8 * tall), None)
