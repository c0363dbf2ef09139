// Which subtitles a project goes by: those that lie beside the film or in it, or a file that is brought in.

import { Refused, Unreachable, call } from "./api.js";
import { choice, el, field, setText } from "./dom.js";

const LONG = { timeout: 120_000 };
const MOST_BYTES = 10 * 2 ** 20;
const KINDS = ".srt,.vtt,.ttml,.dfxp,.ass,.ssa";

const told = (error) => {
  if (error instanceof Refused || error instanceof Unreachable) return error.message;
  throw error;
};

/**
 * The choice of subtitles of a project, by its address. `unchosen`: what the first choice is called, which names none.
 * Gives {body, load(), chosen()}: elements, what fills them, and the id of what is chosen, or "".
 */
export function subtitleChoice(address, unchosen) {
  const select = choice([["", unchosen]], "", () => look());
  const file = el("input", { type: "file", accept: KINDS });
  const read = el("p", { role: "status", class: "note" });
  const notes = el("ul", { class: "plain" });

  const show = ({ said, notes: more = [] }) => {
    setText(read, said);
    notes.replaceChildren(...more.map((text) => el("li", { text })));
  };
  const option = ({ id, words }) => el("option", { value: id, text: words });

  let isListed = false;

  async function load() {
    if (isListed) return;
    isListed = true;
    try {
      const { choices, now, note } = await call("GET", address, undefined, LONG);
      select.append(...choices.map(option));
      if (!select.value) show({ said: [now && `Now: ${now}.`, note].filter(Boolean).join(" ") });
    } catch (error) {
      isListed = false;
      show({ said: told(error) });
    }
  }

  async function look() {
    const wanted = select.value;
    if (!wanted) return show({ said: "" });
    setText(read, "Reading them…");
    try {
      const found = await call("GET", `${address}/${wanted}`, undefined, LONG);
      if (select.value === wanted) show(found);
    } catch (error) {
      if (select.value === wanted) show({ said: told(error) });
    }
    return null;
  }

  file.addEventListener("change", async () => {
    const [given] = file.files;
    if (!given) return;
    if (given.size > MOST_BYTES) {
      show({ said: "This file is too large for subtitles: at most 10 MB are taken." });
      return;
    }
    setText(read, "Reading the file…");
    try {
      const options = { type: "application/x-subtitles", ...LONG };
      const found = await call("PUT", `${address}?name=${encodeURIComponent(given.name)}`, given, options);
      select.querySelector(`option[value="${found.id}"]`)?.remove();
      select.append(option(found));
      select.value = found.id;
      show(found);
    } catch (error) {
      show({ said: told(error) });
    }
  });

  const body = [
    el("div", { class: "tools" }, field("Subtitles", select)),
    el("div", { class: "tools" }, field("Bring in a subtitle file (SRT, WebVTT, TTML or SubStation, at most 10 MB)", file)),
    read, notes,
  ];
  return { body, load, chosen: () => select.value };
}
