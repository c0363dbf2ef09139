"""Documents that declare to be DAPT: those that keep to its rules are read, and each broken rule is named."""

from __future__ import annotations

import pytest

from calvin.core.errors import DataError
from calvin.media.dapt_rules import DAPTM, PROFILE, TTM, TTP
from calvin.media.ttml import read_ttml, stated_programme

ROOT = {
    "ttp:contentProfiles": PROFILE,
    "xml:lang": "en",
    "daptm:scriptType": "preRecording",
    "daptm:scriptRepresents": "visual audio.dialogue",
}
EVENT = '<div xml:id="e1" begin="1s" end="2s" daptm:represents="visual.nonText"><p>A gate.</p></div>'


def document(body: str = EVENT, head: str = "", **root: str | None) -> str:
    """A document, with attributes of its root by names such as `daptm__langSrc`; None takes one away."""
    changed = {name.replace("__", ":"): value for name, value in root.items()}
    told = {name: value for name, value in {**ROOT, **changed}.items() if value is not None}
    attributes = " ".join(f'{name}="{value}"' for name, value in told.items())
    spaces = f'xmlns:ttp="{TTP}" xmlns:ttm="{TTM}" xmlns:daptm="{DAPTM}"'
    return (
        f'<tt xmlns="http://www.w3.org/ns/ttml" {spaces} {attributes}><head><metadata>{head}</metadata></head>'
        f"<body>{body}</body></tt>"
    )


def origin(code: str) -> str:
    return f"<daptm:daptOriginTimecode>{code}</daptm:daptOriginTimecode>"


def agent(rest: str, name: str = "<ttm:name type='alias'>Ada</ttm:name>", about: str = 'xml:id="a"') -> str:
    return f"<ttm:agent type='character' {about}>{name}{rest}</ttm:agent>"


@pytest.mark.parametrize(
    "text",
    [
        *(document(daptm__scriptType=kind) for kind in ("originalTranscript", "translatedTranscript", "asRecorded")),
        document(ttp__contentProfiles=f"http://www.w3.org/ns/ttml/profile/imsc1.1/text {PROFILE}"),
        document(daptm__langSrc="zxx"),
        document(EVENT.replace("<p>", '<p xml:lang="pt-BR" daptm:langSrc="fr">')),
        document(EVENT.replace('daptm:represents="visual.nonText"', ""), daptm__represents="visual.text.location"),
        document(EVENT.replace('daptm:represents="visual.nonText"', ""), daptm__scriptRepresents="visual"),
        document(f'<div daptm:represents="visual">{EVENT}<div xml:id="e2"/></div>'),
        document(EVENT.replace("visual.nonText", "visual.x-mood")),
        document(EVENT.replace("<p>", '<ttm:desc daptm:descType="x-mine">Soft.</ttm:desc><p>')),
        document(EVENT.replace("<p>", "<ttm:desc>Soft.</ttm:desc><p>")),
        *(document(EVENT.replace("<p>", "<p>").replace("xml:id", f'daptm:onScreen="{where}" xml:id'))
          for where in ("ON", "OFF", "ON_OFF", "OFF_ON")),
        document(head=origin("10:01:20:12"), ttp__frameRate="25"),
        document(head=agent("") + agent("<ttm:actor agent='a'/>", about='xml:id="b"')),
        document(EVENT.replace("<p>", '<p><audio src="a.wav" xml:lang="en"/>')),
        document("<div><p begin='1s' end='2s'>No event, which needs to say nothing of itself.</p></div>"),
    ],
)  # fmt: skip
def test_what_keeps_to_the_rules_is_read(text: str) -> None:
    [cue] = read_ttml(text, as_declared=True).cues
    assert cue.text
    assert (cue.start_ms, cue.end_ms) == (1000, 2000)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (document(daptm__scriptType=None), "scriptType` is missing, and has to be originalTranscript, "),
        (document(daptm__scriptType="dubbing"), "scriptType` is 'dubbing'"),
        (document(daptm__scriptRepresents=None), "scriptRepresents` is missing"),
        (document(daptm__scriptRepresents="visual, audio"), "'visual,', which is no content descriptor"),
        (document(xml__lang=None), "`xml:lang`, the language of the script, is missing"),
        (document(xml__lang=""), "`xml:lang`, the language of the script, is missing"),
        (document(xml__lang="e"), "`xml:lang` is 'e', which is no code of a language"),
        (document(daptm__langSrc=""), "what has no language is `zxx`"),
        (document(EVENT.replace("<p>", '<p daptm:langSrc="in french">')), "langSrc` is 'in french'"),
        (document(EVENT.replace("visual.nonText", "#seen")), "the event e1 represents '#seen'"),
        (document(EVENT.replace("visual.nonText", "audio")), "e1 represents audio, and the script only visual, audio."),
        (document(EVENT.replace("visual.nonText", "visually")), "e1 represents visually, and the script only"),
        (document(EVENT.replace('daptm:represents="visual.nonText"', "")), "nothing says what the event e1 represents"),
        (document(EVENT.replace("xml:id", 'daptm:onScreen="yes" xml:id')), "onScreen` is 'yes', and has to be ON, OFF"),
        (document(EVENT.replace("<p>", '<ttm:desc daptm:descType="mine"/><p>')), "types of one's own begin with x-"),
        (document(ttp__profile="http://x"), "`ttp:profile`, which belongs to TTML 1"),
        (document(ttp__timeBase="smpte"), "`ttp:timeBase` is not media"),
        (document(head=origin("10:00:00"), ttp__frameRate="25"), "'10:00:00', which is no time code"),
        (document(head=origin("10:00:00:00")), "without `ttp:frameRate`"),
        (document(head=origin("10:00:00:25"), ttp__frameRate="25"), "and a second has 25 frames"),
        (document(head=2 * origin("10:00:00:00"), ttp__frameRate="25"), "more than one"),
        (
            document(head=origin("10:01:00:00"), ttp__frameRate="30", ttp__dropMode="dropNTSC"),
            "'10:01:00:00' does not exist: with drop-frame",
        ),
        (document(head=agent("", about="")), "the `xml:id` of an agent is missing"),
        (document(head=agent("", about='xml:id="1"')), "the `xml:id` of an agent is '1'"),
        (document(head=agent("", name="")), "the agent a has no name"),
        (document(head=agent("<ttm:actor agent='a'/>")), "the actor of a is 'a', which is no other agent"),
        (document(head=agent("<ttm:actor agent='e1'/>")), "the actor of a is 'e1'"),
        (document(EVENT.replace("<p>", '<p><audio src="a.wav" xml:lang="fr"/>')), "a recording in fr stands for"),
        (document(EVENT.replace("<p>", "<p><audio><data><source/></data></audio>")), "`data` element holds a `source`"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused_by_name(text: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        read_ttml(text, as_declared=True)
    assert problem in str(caught.value)
    assert "take the profile out of `ttp:contentProfiles`" in str(caught.value)
    assert read_ttml(text.replace(PROFILE, "http://example.org/other"), as_declared=True).cues, "or read as it is"


def test_a_start_is_taken_only_where_the_rate_is_stated_and_the_code_exists() -> None:
    assert stated_programme(document(head=origin("10:00:00:00"))) is None
    with pytest.raises(DataError, match="does not exist"):
        stated_programme(document(head=origin("10:00:00:25"), ttp__frameRate="25"))
