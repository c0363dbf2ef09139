"""The listening page in a real browser, opened from a folder on disk: what is heard and when, by keyboard, for axe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calvin.core.files import file_sha256
from calvin.core.time import Span
from calvin.core.types import Author, Cue, CueKind, DialogueLine, Status
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.script_files import export_script
from calvin.studio.script.writers import find_writers
from calvin.studio.sound.voiced_cues import VoiceSettings, voice_project

WILD = '</script><img src=x onerror="window.broken=1"> & "q" \' \u2028 <!-- ${1} `x`'
"""What would break out of a page that took texts for markup."""

TOLD = """
window.heard = [];
const film = () => document.getElementById("film");
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  if (this !== film()) window.heard.push([decodeURI(this.src).split("/").pop(), film().currentTime, film().paused]);
  return play.call(this);
};
"""
"""Notes each sound that is played beside the film, with the film's time."""

VOICES = """
window.said = [];
const engine = {
  length: 300, current: 0,
  getVoices: () => [
    {name: "Far", lang: "de-DE", voiceURI: "far", localService: true, default: false},
    {name: "Near", lang: "en-GB", voiceURI: "near", localService: true, default: true},
  ],
  speak(words) {
    window.said.push({text: words.text, rate: words.rate, volume: words.volume, voice: words.voice.name,
                      at: document.getElementById("film").currentTime});
    clearTimeout(this.current);
    this.current = setTimeout(() => words.onend && words.onend(), this.length);
  },
  cancel() { clearTimeout(this.current); },
  addEventListener() {},
};
Object.defineProperty(window, "speechSynthesis", {value: engine});
window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
"""
"""A voice of the computer that takes 0.3 s for whatever it says: browsers without a screen have none."""


@pytest.fixture
def folder(tmp_path: Path, make_film: Callable[..., Path]) -> Callable[..., Path]:
    """folder(voiced=True, ...): the listening page of a film of 9 seconds whose second cue wants a pause."""

    def make(voiced: bool = True, text: str = "Mara waves.", extended: str = "She looks down.") -> Path:
        film = make_film(tmp_path / "film.mp4")
        with ProjectStore(tmp_path / "p", create=True) as store:
            store.bind_film(FilmRow("A <b>Film</b>", str(film), file_sha256(film), 9000, {}))
            store.set_dialogue([DialogueLine(Span(2600, 3400), "Who <i>is</i> it?", "ANN")])
            for start, end, words, waits, kind in (
                (800, 1800, text, False, CueKind.PICTURE),
                (3600, 3600, extended, True, CueKind.PICTURE),
                (6000, 7000, "On screen: \"Exit\".", False, CueKind.TEXT),
            ):  # fmt: skip
                span = Span(start, end)
                cue = Cue("", span, words, span, start, Author.HUMAN, Status.APPROVED, waits, kind)
                store.add_cue(cue)
        if voiced:
            voice_project(tmp_path / "p", ToneVoice(), VoiceSettings(rate=400))
        with ProjectStore(tmp_path / "p") as store:
            page = export_script(store, find_writers(["html"])).files[0].parent
        film.unlink()  # the folder needs nothing outside itself
        return page.rename(tmp_path / "elsewhere")

    return make


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """opened(folder, script): its page, with a script that runs before it; errors on the page fail the test."""
    contexts, problems = [], []

    def go(folder: Path, script: str = TOLD, name: str = "index.html", **options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        page.add_init_script(script)
        page.goto((folder / name).as_uri())
        page.wait_for_load_state("load")
        return page

    yield go
    for context in contexts:
        context.close()
    assert problems == []


def state(page: Any) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(
        "() => { const f = document.getElementById('film'); return {at: f.currentTime, paused: f.paused,"
        " ended: f.ended, volume: f.volume, said: document.getElementById('said').textContent}; }"
    )
    return found


def until(page: Any, condition: str, timeout: float = 60_000) -> None:
    page.wait_for_function(
        f"() => {{ const film = document.getElementById('film'); return {condition}; }}", timeout=timeout
    )


def seek(page: Any, seconds: float) -> None:
    page.evaluate(f"() => {{ document.getElementById('film').currentTime = {seconds}; }}")
    until(page, "!film.seeking")


def slowly(page: Any) -> None:
    """Play the film at a fifth of its speed, so that a busy machine has time to press a button at the right moment."""
    page.evaluate("() => { document.getElementById('film').playbackRate = 0.2; }")


def test_the_film_plays_from_disk_with_the_voice_at_its_cue(folder: Callable[..., Path], opened: Any) -> None:
    home = folder()
    page = opened(home)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "window.heard.length === 1")
    file, at, paused = page.evaluate("window.heard[0]")
    assert (home / "voice" / file).is_file()
    assert 0.7 <= at <= 1.6
    assert not paused
    assert state(page)["said"] == "Mara waves."
    until(page, "film.volume < 0.5")  # the film is turned down under the voice
    until(page, "film.volume > 0.99")
    assert all(url.startswith((home.as_uri(), "blob:", "data:")) for url in asked)


def test_the_film_waits_for_a_cue_that_needs_a_pause_and_goes_on(folder: Callable[..., Path], opened: Any) -> None:
    page = opened(folder(extended="She looks down at the street for long."))
    seek(page, 3.2)
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "window.heard.length === 1 && film.paused")
    first = state(page)
    page.wait_for_timeout(300)
    second = state(page)
    assert second["paused"]
    assert second["at"] == first["at"]
    assert 3.5 <= first["at"] <= 4.3
    assert page.get_by_role("button", name="Pause", exact=True).count() == 1  # it has not been stopped, it waits
    until(page, "!film.paused && film.currentTime > 4.5")
    until(page, "film.ended")
    assert len(page.evaluate("window.heard")) == 2


def test_main_only_never_pauses_and_none_says_nothing(folder: Callable[..., Path], opened: Any) -> None:
    page = opened(folder())
    page.evaluate("() => { window.stops = []; const f = document.getElementById('film');"
                  " f.addEventListener('pause', () => f.ended || window.stops.push(f.currentTime)); }")  # fmt: skip
    for amount, files in (("Main only", 2), ("Only what is written", 1), ("None", 0)):
        page.evaluate("window.heard.length = 0")
        page.get_by_role("radio", name=amount).check()
        seek(page, 0.2)
        page.get_by_role("button", name="Play", exact=True).click()
        until(page, "film.ended")
        assert len(page.evaluate("window.heard")) == files, amount
        assert page.evaluate("window.stops") == [], amount


def test_main_only_leaves_out_what_would_be_said_over_speech(folder: Callable[..., Path], opened: Any) -> None:
    page = opened(folder(text="Mara waves, " + "and goes on waving, " * 6 + "until he has seen her."))
    page.get_by_role("radio", name="Main only").check()
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "film.ended")
    assert [file[0] for file, _, _ in page.evaluate("window.heard")] == ["3"]


def test_a_voice_of_the_computer_speaks_where_nothing_is_recorded(folder: Callable[..., Path], opened: Any) -> None:
    page = opened(folder(voiced=False, text="Mara waves. “Come!” She smiles."), VOICES)
    select = page.get_by_label("Voice", exact=True)
    assert select.input_value() == "system:near"
    page.get_by_label("Speed of the voice").fill("1.5")
    page.get_by_label("Volume of the description").fill("60")
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "window.said.length === 3")
    said = page.evaluate("window.said")
    assert [one["text"] for one in said] == ["Mara waves.", "“Come!”", "She smiles."]
    assert {(one["rate"], one["volume"], one["voice"]) for one in said} == {(1.5, 0.6, "Near")}
    select.select_option("system:far")
    page.reload()
    assert select.input_value() == "system:far"
    assert page.get_by_label("Speed of the voice").input_value() == "1.5"


def test_a_slow_voice_makes_the_film_wait_before_somebody_speaks(folder: Callable[..., Path], opened: Any) -> None:
    page = opened(folder(voiced=False), VOICES)
    page.evaluate("speechSynthesis.length = 4000")
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "window.said.length === 1 && film.paused")
    assert 1.7 <= state(page)["at"] <= 2.7  # the line begins at 2.6
    until(page, "!film.paused")


def test_the_listeners_pause_stops_the_voice_which_then_begins_again(folder: Callable[..., Path], opened: Any) -> None:
    page = opened(folder(voiced=False), VOICES)
    page.evaluate("speechSynthesis.length = 20000")
    slowly(page)
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "window.said.length === 1")
    page.get_by_role("button", name="Pause", exact=True).click()
    assert state(page)["paused"]
    page.evaluate("speechSynthesis.length = 200")
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "window.said.length === 2")
    assert [one["text"] for one in page.evaluate("window.said")] == ["Mara waves."] * 2


def test_a_pause_while_the_film_waits_and_a_stopped_description(folder: Callable[..., Path], opened: Any) -> None:
    page = opened(folder(voiced=False), VOICES)
    page.evaluate("speechSynthesis.length = 20000")
    seek(page, 3.3)
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "window.said.length === 1 && film.paused")
    page.get_by_role("button", name="Pause", exact=True).click()
    assert page.get_by_role("button", name="Play", exact=True).count() == 1
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "window.said.length === 2 && film.paused")  # the same one again, from its beginning
    page.get_by_role("button", name="Stop this description").click()
    until(page, "!film.paused && film.currentTime > 4")
    assert len({one["text"] for one in page.evaluate("window.said")}) == 1


def test_a_screen_reader_is_handed_each_description(folder: Callable[..., Path], opened: Any) -> None:
    page = opened(folder(voiced=False))
    assert page.get_by_label("Voice", exact=True).input_value() == "reader"  # no voice, none recorded
    page.evaluate("""() => {
      window.told = [];
      const [place, film] = [document.getElementById("announced"), document.getElementById("film")];
      new MutationObserver(() => place.textContent && window.told.push([place.textContent, film.paused])).observe(
        place, {childList: true, characterData: true, subtree: true});
    }""")
    seek(page, 3.3)
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "window.told.length === 1 && film.paused")
    assert page.evaluate("window.told")[0][0] == "She looks down."
    assert page.locator("#announced").get_attribute("role") == "status"
    until(page, "!film.paused")


def test_everything_can_be_done_with_the_keyboard(folder: Callable[..., Path], opened: Any) -> None:
    page = opened(folder(voiced=False), VOICES)
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.name || document.activeElement.textContent.trim()"
            )
        )
        if reached[-1] == "Usual settings":
            break
    wanted = [*("film", "play", "back", "forward", "before", "again", "after", "skip", "amount", "voice", "rate"),
              *("volume", "under", "try", "Usual settings")]  # fmt: skip
    assert [name for name in dict.fromkeys(reached) if name in wanted] == wanted, reached
    page.locator("#rate").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#rate").get_attribute("aria-valuetext") == "1.1 times"
    page.locator("#after").focus()
    page.keyboard.press("Enter")
    assert "Description 1 of 3, at 00:00:00: Mara waves." in page.locator("#told").inner_text()
    until(page, "!film.seeking && Math.abs(film.currentTime - 0.8) < 0.05")
    page.keyboard.press("Enter")
    assert "Description 2 of 3, at 00:00:03: She looks down." in page.locator("#told").inner_text()
    page.locator("#again").focus()
    page.keyboard.press("Space")
    until(page, "window.said.length === 1")
    page.locator("#play").focus()
    page.keyboard.press("Space")
    until(page, "!film.paused")
    page.keyboard.press("Space")
    until(page, "film.paused && document.getElementById('play').textContent === 'Play'")


def test_say_again_makes_the_film_wait(folder: Callable[..., Path], opened: Any) -> None:
    page = opened(folder(voiced=False), VOICES)
    slowly(page)
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "film.currentTime > 0.9 && window.said.length === 1")
    page.evaluate("speechSynthesis.length = 3000")
    page.get_by_role("button", name="Say again").click()
    until(page, "window.said.length === 2")
    assert state(page)["paused"]
    until(page, "!film.paused")
    assert [one["text"] for one in page.evaluate("window.said")][:2] == ["Mara waves."] * 2


def test_no_text_breaks_out_of_the_page(folder: Callable[..., Path], opened: Any) -> None:
    home = folder(voiced=False, text=WILD)
    page = opened(home, VOICES)
    page.locator("#after").click()
    shown = page.locator("#said").inner_text()
    assert shown == " ".join(WILD.replace("\u2028", " ").split())
    assert page.evaluate("window.broken") is None
    assert page.locator("h1").inner_text().startswith("A <b>Film</b>")
    page.goto((home / "transcript.html").as_uri())
    assert page.evaluate("window.broken") is None
    assert page.locator("img").count() == 0
    assert "onerror" in page.locator(".description").first.inner_text()


def test_captions_and_descriptions_are_tracks_from_disk_too(folder: Callable[..., Path], opened: Any) -> None:
    page = opened(folder(voiced=False), VOICES)
    page.evaluate("() => { for (const track of document.getElementById('film').textTracks) track.mode = 'hidden'; }")
    until(page, "[...film.textTracks].every((track) => track.cues && track.cues.length)")
    cues = page.evaluate("[...document.getElementById('film').textTracks].map("
                         "(t) => [t.kind, [...t.cues].map((c) => [c.startTime, c.text])])")  # fmt: skip
    assert cues[0][0] == "descriptions"
    assert [start for start, _ in cues[0][1]] == [0.8, 3.6, 6.0]
    assert cues[1] == ["captions", [[2.6, "<v ANN>Who &lt;i&gt;is&lt;/i&gt; it?"]]]


def test_a_time_of_the_transcript_leads_into_the_film(folder: Callable[..., Path], opened: Any) -> None:
    page = opened(folder(voiced=False), VOICES, "transcript.html")
    page.get_by_role("link", name="00:00:06").click()
    page.wait_for_url("**/index.html#t=6.000")
    until(page, "Math.abs(film.currentTime - 6) < 0.05")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index.html", "transcript.html"])
def test_axe_finds_nothing(folder: Callable[..., Path], opened: Any, name: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the extra test")
    page = opened(folder(), TOLD if name == "index.html" else "", name, color_scheme=scheme)
    if name == "index.html":
        page.locator("#after").click()
        page.evaluate("document.getElementById('trouble').hidden = false;"
                      "document.getElementById('trouble').textContent = 'It cannot be played.'")  # fmt: skip
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    # Without preload: the page's policy lets nothing be fetched, the style sheet for axe included.
    result = axe.Axe().run(page, options={"runOnly": rules, "preload": False}).response
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in result["violations"]] == []
    assert len(result["passes"]) > 15


def test_a_narrow_window_loses_nothing(folder: Callable[..., Path], opened: Any) -> None:
    home = folder(voiced=False)
    for name in ("index.html", "transcript.html"):
        page = opened(home, "", name, viewport={"width": 320, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        for button in page.get_by_role("button").all():
            box = button.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 320
            assert min(box["width"], box["height"]) >= 24
