"""Cleaning that the paper found to matter (Appendix A): numbers in WebVid, coordinates in LLaVA, credits in MAD."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Protocol

from calvin.core.prompts import clean_line
from calvin.core.registry import Manifest, Registry
from calvin.data.samples import DropReport, ReadResult, Sample

LeftIn = Literal["numbers", "boxes", "credits"]
"""What the cleaning takes away, and what may be left in to see what it is worth."""

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_NUMBER = r"\w*\d\w*(?:(?:[.,:/'-]|\s*[x×]\s*)\w*\d\w*)*"
_LEAD = r"(?:\b(?:circa|ca\.|since|from|on|in|at)\s+)?"
_UNIT = r"(?:\s*(?:fps|frames?\s+per\s+second|u?hd|mp|megapixels?|pixels|px|am|pm|a\.m\.|p\.m\.|bce?|ad)\b)?"
_JOINED = (
    r"-(?:(?:year|month|week|day)s?-olds?|bit|hour|minute|second|day|week|month|year|mile|foot|inch|met(?:er|re)|lane"
    r"|store?y|floor|wheel(?:er)?|man|person|seat(?:er)?|piece|part|page|point|star|course|speed|cylinder|stop|axis"
    r"|channel|core|degree|side[ds]?|way|fold|ply)s?\b"
)
_NUMERIC = re.compile(
    rf"{_LEAD}\b{_MONTH}\s+{_NUMBER}(?:\s*,?\s+\d{{4}}\b)?"  # May 12th, 2016; May 2016
    rf"|{_LEAD}(?:\b(?:the\s+)?{_NUMBER}\s+(?:of\s+)?{_MONTH}\b(?:,?\s+\d{{4}}\b)?)"  # 12 May 2016
    rf"|{_LEAD}[#$€£~+-]?{_NUMBER}[%+°]?(?:{_JOINED}|{_UNIT})",  # 2016-05-12, 1920x1080, 4K, 25 fps, 3, 10-bit
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_TIDY: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"([(\[])[\s,;:./-]+"), r"\1"),  # what is left at the edges of brackets
    (re.compile(r"[\s,;:/-]+([)\]])"), r"\1"),
    (re.compile(r"\(\)|\[\]"), " "),
    (re.compile(r"[\s-]+([,;:.!?])"), r"\1"),  # a space or dash before a mark
    (re.compile(r"([,;:])(?:\s*[,;:.-])+"), r"\1"),  # marks in a row
    (re.compile(r"\.(?:\s*[,;:.])+"), "."),
)
_ENDS = " \t\n,;:-–—/|&+"


def scrub_numbers(text: str) -> str:
    """A caption without numbers, dates and resolutions, and without the gaps they leave.

    'Waves at sunset, 4k 1920x1080 25 fps' -> 'Waves at sunset'. Text without digits comes back as it is; numbers
    written in words stay. The result has no digit, and may be empty.
    """
    if not _DIGIT.search(text):
        return text
    text = _NUMERIC.sub(" ", text)
    for pattern, replacement in _TIDY:
        text = pattern.sub(replacement, text)
    text = clean_line(text).strip(_ENDS)
    return text.lstrip(".") if re.search(r"\w", text) else ""


def scrub_captions(result: ReadResult) -> ReadResult:
    """`scrub_numbers` over all captions; a sample with nothing left is dropped and counted."""
    report = DropReport()
    report.merge(result.report)
    return ReadResult(list(scrubbed(result.samples, report)), report, result.films)


def scrubbed(samples: Iterable[Sample], report: DropReport) -> Iterator[Sample]:
    """The samples of `scrub_captions` one by one."""
    for sample in samples:
        caption = scrub_numbers(sample.caption)
        if not caption:
            report.drop("nothing but numbers in the caption", sample.caption)
            continue
        if caption != sample.caption:
            report.repair("numbers scrubbed", sample.caption)
            references = tuple(filter(None, map(scrub_numbers, sample.references)))
            sample = replace(sample, caption=caption, references=references)
        yield sample


_BOX = re.compile(r"\[\s*\d*\.?\d+(?:\s*,\s*\d*\.?\d+){3}\s*\]")
_BOX_QUESTIONS = ("please provide the bounding box coordinate", "please provide a short description for this region")


def is_coordinate_turn(question: str, answer: str) -> bool:
    """Whether a LLaVA-1.5 turn asks for or answers with box coordinates."""
    asked = clean_line(question).lower()
    return any(words in asked for words in _BOX_QUESTIONS) or any(_BOX.search(text) for text in (question, answer))


class CreditTagger(Protocol):
    """Tells which samples describe credits. The paper asked LLaMA-70B with a few examples; any judge may stand in."""

    def tag(self, samples: Sequence[Sample]) -> list[bool]: ...


_MADE_BY = r"\s+by\s+(?!(?:an?|his|her|its|their|my|hand|the\s+(?:fire|door|window|bed|sea|road))\b)"
_CREDITS = re.compile(
    r"\b(?:(?:opening|closing|end|final|rolling|main)\s+(?:credits?|titles?)"
    r"|credits?\s+(?:roll|appear|begin|end|scroll|read|crawl|start|play)s?"
    rf"|the\s+credits|(?:directed|produced|written|edited){_MADE_BY}|starring|executive\s+producers?"
    r"|(?:screenplay|music|casting|costumes?(?:\s+designed)?|cinematography|photography)\s+by|cast\s+list"
    r"|a\s+film\s+by|title\s+(?:card|sequence)|pictures\s+presents?|(?:names?|words?|titles?)\s+appears?\s+on\s+"
    r"(?:the\s+)?screen|in\s+association\s+with|director\s+of\s+photography"
    r"|names?\s+(?:scroll|dissolve|roll|crawl)s?\b|names?\s+appears?\b(?!\s+on\b)"
    r"|(?:names?|logo)\s+of\s+the\s+(?:studio|film|cast|crew|actors?|extras|stunt\s+team)"
    r"|order\s+of\s+appearance|the\s+title(?=\s*:)|the\s+film's\s+title|(?:script|music)\s+supervisor|unit\s+production"
    r"|any\s+resemblance\s+to\s+actual|harmed\s+in\s+the\s+making|this\s+(?:motion\s+picture|film)\s+is\s+protected"
    r"|(?:persons|characters|events)\b.*\bare\s+fictitious)\b",
    re.IGNORECASE,
)
_CREDITS_AT_EDGES = re.compile(
    r"\b(?:logos?|titles?(?!\s+(?:of\s+(?!the\s+film)|fight|bout))|appears?\s+on\s+(?:the\s+)?screen"
    r"|presents?(?=\s*(?:[.,:]|$))"
    r"|credits?(?!\s+cards?)|dedication|captions?\s+(?:state|read|tell)s?|cards?\s+(?:read|tell|say)s?|text\s+on\s+black"
    r"|(?:list|names)\s+of\s+(?:the\s+)?(?:songs?|crew|cast|players|actors?)"
    r"|thanks\s+to|filmed\b.*\bon\s+location"
    r"|(?:cinematographer|editor|producer|director)(?=,))\b",
    re.IGNORECASE,
)
_ROLES = (
    r"(?:design(?:er)?s?|supervisors?|managers?|co-?ordinators?|mixers?|composers?|artists?|decorators?|producers?"
    r"|directors?|editors?|assistants?|doubles?|gaffer|casting|costumes?|make-?up|hair|props|stunts|catering|sets?"
    r"|orchestrations?|vocals|guitar|piano|choir|lyrics|score|music|songs?|sound|effects|colou?r|animation|story"
    r"|screenplay|script|voices?|cast|crew|starring|with)"
)
_CREDIT_KINDS = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        # A trade and a name: "Costume designer, Lu Wen." A name and a part: "Mara Quill as Inspector Dunne."
        (rf"(?:^|[.!]\s+)(?:[\w-]+\s+){{0,3}}{_ROLES}(?:,|:)\s+(?-i:[A-Z])", re.IGNORECASE),
        (r"^(?:With\s+)?[A-Z][\w'-]+(?:\s+[A-Z][\w'.-]+)+\s+as\s+(?:the\s+)?[A-Z]", 0),
        # Nothing but names.
        (r"^(?:[A-Z][\w'-]+(?:\s+[A-Z][\w'-]+)+[.,]\s*(?:[Aa]nd\s+)?(?:introducing\s+)?){2,}$", 0),
        (r"\b(?:[Aa]nd\s+introducing|[Aa]\s+name(?:\s+(?:fades|appears)[^:]*)?:)\s+[A-Z]", 0),
        (
            r"\b(?:guest\s+star|special\s+appearance|also\s+(?:featuring|starring)|played\s+by"
            r"|stunt\s+(?:doubles?|performers?|team)|gaffer|foley|best\s+boy|key\s+grip|department\s+heads"
            r"|second\s+unit(?!\s+of)|assistants?\s+to\s+m(?:r|s|rs)|(?:each|the)\s+actors?\b.*\bnames?"
            r"|(?:actors|crew|cast|players)(?:'s?|s')?\s+names|list\s+of\s+(?:players|names)\s+(?:rolls|scrolls|runs)"
            r"|names\b[^.]*\b(?:fades?|fills?|streams?|pass(?:es)?|rises?|vanish(?:es)?|scrolls?|rolls?)\b)",
            re.IGNORECASE,
        ),
        (
            rf"\b(?:picture|film|story|score|songs?|lyrics|titles|animation|colou?r|captions|performed|published"
            rf"|composed|adapted|designed|supported|arranged|recorded|conducted){_MADE_BY}(?:the\s+)?(?-i:[A-Z])",
            re.IGNORECASE,
        ),
        (
            r"\b(?:based\s+on\s+(?:an?|the)\s+(?:\w+\s+)?(?:novel|book|play|story|life|memoir|comic)"
            r"|from\s+the\s+(?:play|novel|book)\s+by|original\s+(?:score|music|songs?)|soundtrack\s+available"
            r"|courtesy\s+of|by\s+permission|recorded\s+(?:and\s+mixed\s+)?(?:at|in)|score\s+recorded|song\s+titles"
            r"|soundtrack's\s+titles)\b",
            re.IGNORECASE,
        ),
        (
            r"\b(?:(?:special|with|our|many)\s+thanks(?=[\s,:.])|thanks\s+go|wish(?:es)?\s+to\s+thank|acknowledgements?"
            r"|gratefully\s+acknowledges?|the\s+(?:directors?|producers?|film-?makers?)\s+thanks?"
            r"|(?:support|participation|assistance|co-?operation)\s+(?:of|with)|supported\s+by\s+the"
            r"|(?:filmed|shot)\s+(?:entirely\s+)?(?:on\s+location|in|at))\b",
            re.IGNORECASE,
        ),
        (
            r"\b(?:copyright|all\s+rights\s+reserved|resemblance\s+to|fictitious|motion\s+picture|unauthori[sz]ed"
            r"|disclaimers?|legal\s+notice|rating\s+(?:card|board)|parental\s+guidance|american\s+humane"
            r"|views\s+expressed|(?:dolby|kodak|panavision|union)\b.*\b(?:marks?|seals?|emblems?))\b",
            re.IGNORECASE,
        ),
        (
            r"\b[A-Z]\w+\s+(?:Pictures|Films|Entertainment|Productions?|Studios)\b|\bA\s+[A-Z]\w+\s+[A-Z]\w+\s+production",
            0,
        ),
        (
            r"\b(?:compan(?:y|ies)(?:'s)?\s+(?:name|emblem)s?\b|studio's\s+\w+|emblems?\s+(?:of\s+\w+\s+studios|line)"
            r"|ringed\s+by\s+stars|ring\s+of\s+film|fishing\s+from\s+the\s+moon|torch-bearing|golden\s+letters"
            r"|letters\s+form)",
            re.IGNORECASE,
        ),
        (
            r"^(?:the\s+end|fin)(?=\s*(?:[.,]|$))|\bletters\s+(?:spell|read)\b(?!\s+out\b)"
            r"|,\s+in\s+\w+\s+(?:letters\s+)?on\s+black\b|\bacross\s+the\s+black\b|\bwords?\s+(?:on\s+black|rise)\b"
            r"|\b(?:text|letters)\s+(?:scrolls?|runs?|crawls?|rolls?|tells?)\b|\bsays\s+a\s+card\b|\bbecame\s+of\b",
            re.IGNORECASE,
        ),
        (r"\bin\s+(?:loving\s+)?memor(?:y\s+of|iam)\b|\bin\s+loving\s+memory\b|\bdedicated\s+to\b", re.IGNORECASE),
        (r"^For\s+(?:my\s+\w+|[A-Z]\w+)(?:,\s+with\s+love)?\.?$", 0),
    )
)
"""Further wordings of credits by their kinds: cast, trades, makers, music, thanks, law, companies, titles, dedications.
They count at the edges of a film alone."""
_ON_A_THING = (
    r"\bon\s+(?:the|an?|his|her|its|their)\s+"
    r"(?!(?:\w+\s+)?(?:screen|background|backdrop|black|white|darkness|sky)\b)\w+"
)
_IN_THE_STORY = re.compile(
    # "A title" says when or where a scene plays, "the title" is the film's; a logo on a thing is part of the thing.
    rf"\ba\s+title\s+appears?\b|{_ON_A_THING}.*\blogos?\b|\blogos?\b.*{_ON_A_THING}",
    re.IGNORECASE,
)
_ON_SOMETHING_READ = re.compile(
    r"\b(?:posters?|banners?|plaques?|wreaths?|tattoos?|headlines?|mailbox|gravestones?|graves?|tomb\w*|stone|bench"
    r"|signs?|notes?|letter|envelope|phone|mirror|laptop|jukebox|newspapers?|brass|coffin|wall|door|window|van|truck)\b"
)
"""Things of a story that carry words; in capitals they are names, as those of companies."""


class KeywordCredits:
    """Credits by their words, without a language model.

    Plain words of credits count anywhere. Words that also name things in the story (a logo, thanks, a name) count only
    within `edge_ms` of the first or last described moment of the movie, where credits stand, and not where the caption
    shows that they belong to the story.
    """

    def __init__(self, edge_ms: int = 180_000) -> None:
        self.edge_ms = edge_ms

    def tag(self, samples: Sequence[Sample]) -> list[bool]:
        edges = self.edges(samples)
        return [
            (bool(_CREDITS.search(sample.caption)) and not _ON_SOMETHING_READ.search(sample.caption))
            or (self.is_at_edge(sample, edges) and _is_credit_at_edge(sample.caption))
            for sample in samples
        ]

    def edges(self, samples: Sequence[Sample]) -> dict[str, tuple[int, int]]:
        """First start and last end of what is described of each movie, in ms."""
        edges: dict[str, tuple[int, int]] = {}
        for sample in samples:
            if sample.movie is not None and sample.span is not None:
                first, last = edges.get(sample.movie, (sample.span.start_ms, sample.span.end_ms))
                edges[sample.movie] = min(first, sample.span.start_ms), max(last, sample.span.end_ms)
        return edges

    def is_at_edge(self, sample: Sample, edges: dict[str, tuple[int, int]]) -> bool:
        if sample.movie not in edges or sample.span is None:
            return False
        first, last = edges[sample.movie]
        return min(sample.span.start_ms - first, last - sample.span.end_ms) <= self.edge_ms


def _is_credit_at_edge(caption: str) -> bool:
    if _CREDITS_AT_EDGES.search(caption) and not _IN_THE_STORY.search(caption):
        return True
    return any(kind.search(caption) for kind in _CREDIT_KINDS) and not _ON_SOMETHING_READ.search(caption)


def remove_credits(result: ReadResult, tagger: CreditTagger) -> ReadResult:
    """Without the samples that the tagger calls credits, counted."""
    report = DropReport()
    report.merge(result.report)
    kept: list[Sample] = []
    for sample, credit in zip(result.samples, tagger.tag(result.samples), strict=True):
        if credit:
            report.drop("credits", sample.caption, chosen=True)
        else:
            kept.append(sample)
    return ReadResult(kept, report, result.films)


@dataclass(frozen=True, slots=True)
class CleaningRule(Manifest[Callable[[ReadResult, CreditTagger], ReadResult]]):
    """One rule for what was read; its target is called with that and with what tells credits from scenes."""

    what: ClassVar[str] = "cleaning rule"


CLEANING = Registry(
    CleaningRule,
    (
        CleaningRule("numbers", "numbers, dates and resolutions go", lambda result, _: scrub_captions(result)),
        CleaningRule("credits", "scenes of credits go", remove_credits),
    ),
)
"""Rules by name; the manifest of a reader names those that its captions need."""
