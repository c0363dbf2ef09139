"""What chat models say before the caption itself: preambles, labels, times, "the video shows", "the camera pans to"."""

from __future__ import annotations

import re
from collections.abc import Callable

from calvin.captioners.refusals import is_inscription, leads_in

_SIZE = r"wide|medium|long|aerial|establishing|tracking|overhead|static|full|two"
_NOUN = (
    rf"(?:(?:short|given|provided|current|next|first|final|opening|same|{_SIZE}|close-?up)\s+)?"
    r"(?:(?:sequence|series|set|collection|succession) of (?:\w+ )?(?=images|frames|stills|pictures|photos|shots"
    r"|clips))?"
    r"(?:video|clip|footage|film|movie|scene|image|picture|photo|frame|still|shot|sequence|visual)s?"
    r"(?:\s+(?:clip|sequence|frame|footage|scene|segment)s?)?"
)
_SHOWS = (
    r"(?:(?:then|now|also|clearly|again)\s+)?(?:(?:is|are)\s+)?"
    r"(?:show|depict|feature|portray|captur|display|present|illustrat|contain)(?:s|es|e|ing)?(?!\s+(?:on|in|up|at"
    r"|off)\b)"
    r"(?:\s+(?:us|a (?:moment|scene|view|shot|sequence) (?:in which|where|of|when)))?"
)
_SHOW = (
    rf"(?:{_SHOWS}|(?:open|begin|start|end|follow|focus)(?:s|es|ing)?(?:\s+(?:with|on|us|by|a view of)){{1,3}}"
    r"|(?:open|begin|start|end)s(?: with)? (?:as|when)(?-i:(?=\s[A-Z])))"
)
_THAT = r"(?:\s+(?:that|how|where))?\s+"
_SEE = (
    r"(?:we|you|(?:the\s+)?viewers?)\s+(?:can\s+|could\s+)?(?:also\s+|then\s+)?(?:sees?|watch(?:es)?|observes?"
    r"|notices?)"
)

_PREAMBLE = re.compile(
    r"^(?:sure|certainly|of course|absolutely|gladly|here(?:['’]s| is| are)|here you go|okay|ok|the "
    r"following)\b[^\n]*?:\s+(?=\S)",
    re.IGNORECASE,
)
_PREAMBLE_ABROAD = re.compile(
    r"^(?:voici|voilà|hier (?:ist|sind|is|kommt)|aqu[íi] (?:est[áa]|tienes|va)|ecco|her er|här är|oto)\b[^\n:]{0,60}"
    r"\b(?:(?:audio)?descri\w+|\w*beschreibung|\w*deskription|\w*beschrijving|beskriv\w+|opis|s[ä]tze?|texte?|text[oe]?"
    r"|phrase|frase|proposition|vorschlag|antwort|r[ée]ponse|respuesta)[^\n:]{0,60}:\s+(?=\S)",
    re.IGNORECASE,
)
_HAPPY = re.compile(
    r"^(?:sure(?: thing)?|certainly|of course|absolutely|gladly|great(?: question)?|okay|ok|alright|no problem|here "
    r"you go|yes(?=\.)|got it|understood)"
    r"(?:[!.]\s+|\s?[—–-]\s+(?-i:(?=[A-Z\"“]))|,\s+(?=(?:the|this|these) (?:video|image|frame|clip|scene)))(?=\S)",
    re.IGNORECASE,
)
_WHOSE = (
    r"(?:audio[- ]description|ad|caption|description|answer|response|output|line|narrat(?:or|ion)|scene|assistant|ai"
    r"|bot"
    r"|model|sentence|summary|frame|shot|clip|video|visual|action|result|option|version|draft|candidate|alternative"
    r"|re(?:worded|written|phrased)|rewrite|shortened|paraphrased?|translation"
    r"|(?:audio|bild)?(?:beschreibung|deskription)|(?:audio)?descri(?:pci[óo]n|zione|[çc][ãa]o|ere)|beschrijving"
    r"|beskrivning|beskrivelse|syntolkning)"
)
_LABEL = re.compile(
    r"^(?:ad\s[-–—]\s|[\[(](?:ad|audio description|caption|description|narrator|narration|visual"
    r"|action)[\])]\s*[:–—-]?\s*"
    rf"|(?:scene|shot|clip|frame)\s?#?\d+\s[-–—]\s+|(?:close-?up|(?:{_SIZE}) shot|cut to|fade in|insert"
    rf"|angle on)\s?:\s*"
    r"|(?-i:CLOSE ON|ANGLE ON|CUT TO|FADE IN ON)\s+"
    r"|(?:(?:an?|the|my|your|one-line|one-sentence|short|brief|final|single|possible|suggested|suitable|appropriate"
    r"|good"
    r"|accurate|concise|revised|updated|improved|audio)\s+)*"
    rf"{_WHOSE}(?: line| sentence)?(?:\s?\([^()\n]{{1,30}}\))?(?: (?:for|of) (?:this|the) (?:scene|clip|video|image"
    rf"|shot"
    rf"|visual))?(?: (?:is|would be|could be|might be|reads))?"
    r"(?:\s?#?\d+)?\s*:\s*"
    r"|(?-i:(?=[^:\n]{0,70}\b(?i:describer|narration|wording|phrasing|rephrasing|attempt|requested|voice-?over"
    r"|ad (?:script|line|text)|description (?:could|would|might|may|should) be)\s?:)[^:\n.!?]{0,80}:\s+(?=[\"“]?[A-Z]))"
    r"|(?:scene|shot|frame|clip) \d{1,4}(?:,? (?:scene|shot|frame|clip|take) \d{1,4})+\s?[:.]\s+"
    r"|(?:(?:my|one|a|an|the|your|our) )?(?:(?:possible|fitting|suitable|short|shorter|concise|simple) )?"
    r"(?-i:(?:[Mm]y take|Here you have it"
    r"|[Ss]horter|[Ss]implified|[Cc]ondensed|[Pp]resent tense|[Ss]cript line|[Pp]ossible description"
    r"|[Ff]itting line would be|AD>|VOICE|Speaker \d|Step \d):?\s+(?=[\"“]?[A-Z]))"
    r"|###\s*(?:assistant|response|answer)\s*:?\s*)",
    re.IGNORECASE,
)
_TIME = r"(?:\d+(?:\.\d+)?\s*(?:s|sec|seconds)|\d{1,2}(?::\d{2}){1,2}(?:\.\d+)?)"
_STAMP = re.compile(
    rf"^(?:[<\[(]\s*{_TIME}(?:\s*[-–—]+\s*{_TIME})?\s*[>\])][:,]?\s+|{_TIME}(?:\s*[-–—]+\s*{_TIME})?(?:[:,]\s+"
    rf"|\s+[-–—]\s+)"
    rf"|at {_TIME},\s+(?=[A-Z])"
    rf"|(?-i:{_TIME}\s+(?!(?:AM|PM|A\.M|P\.M)\b)(?=[A-Z\"“])))"
)
_PROP = re.compile(
    rf"^(?:a|an|the)\s+{_NOUN}\s+of\s(?!(?:\w+\s)?(?:image|frame|still|picture|photo|clip"
    rf"|shot)s\s+{_SHOWS}{_THAT})(?:(?!\b(?:who|that"
    r"|which)\b)[^.])*?"
    r"\b(?:is|are|hangs?|falls?|lies?|stands?|sits?|rests?|burns?|slides?|slips?|drops?|flickers?|plays?|shows?|covers?"
    r"|appears?|fades?|lands?|floats?|leans?|catches|fills?|adorns?|glows?|comes?|swings?|tumbles?|blows|drifts?"
    r"|surrounds?|scrolls?|steams?|was|were|has|have|waits?|burst|tears?|rips?|spins?|rolls?)\b",
    re.IGNORECASE,
)
"""A picture that is itself in the film, and does something."""
_SOURCE = (
    r"(?:(?:based on|from|judging by|looking at) (?:the|these|this|what i can see in the)\s+"
    r"(?:(?:provided|given|attached|above|shared|uploaded)\s+)?(?:sequence of\s+)?(?:video|image|frame|clip|still"
    r"|picture|footage|scene)s?"
    r"(?:\s+(?:provided|given|above|you (?:shared|provided)))?[,:]\s+"
    r"|(?:from what|as far as|as best) (?:i|we|one) can (?:tell|see|make out|gather|judge),\s+"
    r"|(?:given|considering) (?:the|this|all) (?:(?:previous|preceding|film['’]s|given|provided) )?(?:context|dialogue"
    r"|scene|story|gap|time)[^,:\n]{0,30},\s+|visually,\s+|as we watch,\s+|on[- ]screen:\s+(?-i:(?=[A-Z][a-z])))"
)
_OPENERS = (
    re.compile(rf"^{_SOURCE}(?:it (?:appears|seems|looks like)(?: that)?\s+)?", re.IGNORECASE),
    re.compile(rf"^(?:the|this|these|a|an|our)\s+{_NOUN},?\s+{_SHOW}{_THAT}", re.IGNORECASE),
    re.compile(
        rf"^(?:in|across|throughout|over)\s+(?:the|this|these|all)\s+(?:the\s+)?{_NOUN}(?:\s(?:provided|given"
        rf"|attached|shown|shared|above|below))?\s*(?:,\s*(?:{_SEE}{_THAT})?|\s{_SEE}{_THAT}|\s(?-i:(?=[A-Z])))",
        re.IGNORECASE,
    ),
    re.compile(
        rf"^(?:during|throughout)\s+(?:the|this)\s+(?:video|clip|footage|scene|sequence"
        rf"|shot)s?\s*,\s*(?:{_SEE}{_THAT})?",
        re.IGNORECASE,
    ),
    re.compile(rf"^(?:here,?\s+)?{_SEE}{_THAT}", re.IGNORECASE),
    re.compile(r"^i (?:can )?(?:see|observe)(?: that)?\s+(?!no\b)", re.IGNORECASE),
    re.compile(r"^(?:it (?:appears|seems) that|what we see is)\s+", re.IGNORECASE),
    re.compile(rf"^it\s+{_SHOWS}{_THAT}", re.IGNORECASE),
    re.compile(
        rf"^(?:there is )?(?:a|an|the)\s+(?:{_NOUN}|close-?up(?: shot)?|(?:wide|medium|long|aerial|tracking) shot)"
        r"\s+of\s+|^a view of\s+",
        re.IGNORECASE,
    ),
)
_VIEW = re.compile(r"^a view of [^.]{0,80}?\b(?:opens|spreads|unfolds|fills|stretches|appears|greets)\b", re.IGNORECASE)
_CAMERA = re.compile(
    r"^(?:as\s+)?the\s+camera\s+(?:(?:then|slowly|now)\s+)?"
    r"(?:show|pan|zoom|move|cut|focus|tilt|track|follow|pull|dollie|close|linger|reveal|capture)(?:s|es|ing)?"
    r"(?:\s+(?:in|out|up|down|over|back|away|left|right|across|around|on|to|onto|towards?|from))*"
    r"(?:\s+(?:to\s+)?(?:show|reveal)(?:ing|s)?)?,?(?:\s+(?:as|while)(?=\s+[A-Z]))?\s+(?!(?:is|are)\b)",
    re.IGNORECASE,
)


def upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cut_start(*patterns: re.Pattern[str]) -> Callable[[str], str]:
    """A rule that takes off what a pattern finds at the start, unless nothing would be left."""

    def rule(text: str) -> str:
        for pattern in patterns:
            match = pattern.match(text)
            rest = text[match.end() :] if match else ""
            if re.search(r"\w", rest):
                return upper(rest.lstrip(" ,:"))
        return text

    return rule


def cut_openers(text: str) -> str:
    return text if _PROP.match(text) or _VIEW.match(text) or is_inscription(text) else _cut_start(*_OPENERS)(text)


_SLUG = re.compile(r"^(?:INT|EXT|INT\.?/EXT|I/E)\.?\s[^a-z\n]{2,60}(?:\n\s*|[.:]\s+)(?=\S)")
"""A screenplay's heading: INT. KITCHEN - DAY."""
_CUE_HEAD = re.compile(
    r"^(?:WEBVTT[^\n]{0,80}\n\s*)?(?:\d{1,5}\s*\n)?[\d:.,]{4,13}\s*-->\s*[\d:.,]{4,13}[^\n]{0,80}\n\s*(?=\S)"
    r"|^[\[(](?:start of |begin )?(?:audio description|description|narration|caption)[^\])\n]{0,30}[\])]\s*\n\s*(?=\S)",
    re.IGNORECASE,
)
"""The head of a cue in a subtitle file, or a line that says what comes."""


def cut_preamble(text: str) -> str:
    text = _SLUG.sub("", _CUE_HEAD.sub("", text))
    first, _, rest = text.partition("\n")
    if first.rstrip().endswith(":") and rest.strip():
        return rest.strip()
    return _cut_start(_PREAMBLE, _PREAMBLE_ABROAD, _HAPPY)(text[leads_in(text) :])


cut_label = _cut_start(_LABEL)
cut_time = _cut_start(_STAMP)
cut_camera = _cut_start(_CAMERA)
