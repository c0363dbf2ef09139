// Find and replace: each match is shown as it reads and as it would read; one step takes back what one press replaced.

import { Refused, Unreachable, call } from "./api.js";
import { button, checkbox, el, field, setAttribute, setOff, setText } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { clock, count } from "./words.js";

const SHOWN = 200;
let ids = 0;

/** A text with other words from `start` to `end`, as the server will store it: on one line, without double spaces. */
function replaced(text, start, end, by) {
  return (text.slice(0, start) + by + text.slice(end)).replace(/\s+/g, " ").trim();
}

/** One place where the text stands: how it reads, how it would read, and what shall be done with it. */
class Match {
  /** "open", "skipped" or "replaced" */
  state = "open";

  constructor(found, dialog) {
    Object.assign(this, found);
    this.dialog = dialog;
    const id = `match-${++ids}`;
    this.before = el("p", { id: `${id}-before` });
    this.after = el("p", { id: `${id}-after` });
    this.standing = el("span", { class: "state" });
    const props = { "aria-describedby": `${id}-before ${id}-after` };
    this.replace = button("Replace this one", () => dialog.replace([this]), props);
    this.skip = button("Skip", () => dialog.skip(this), props);
    this.go = button("", () => dialog.leaveFor(this));
    this.node = el("li", {}, el("div", { class: "tools" }, this.go, this.standing), this.before, this.after,
      el("div", { class: "tools" }, this.replace, this.skip));
  }

  /** The offsets of a match after another one before it in the same cue was replaced. */
  shift(by) {
    this.start += by;
    this.end += by;
  }

  show(text, by, index, total) {
    const at = clock(this.dialog.rowOf(this)?.start_ms ?? 0);
    setText(this.go, `Cue at ${at}`);
    setAttribute(this.go, "aria-label", `Go to the cue at ${at}`);
    setAttribute(this.replace, "aria-label", `Replace this one, ${index + 1} of ${total}`);
    setAttribute(this.skip, "aria-label", `Skip ${index + 1} of ${total}`);
    setAttribute(this.skip, "aria-pressed", String(this.state === "skipped"));
    for (const one of [this.replace, this.skip]) setOff(one, this.state === "replaced");
    setText(this.standing, { open: "", skipped: "Skipped", replaced: "Replaced" }[this.state]);
    this.standing.hidden = this.state === "open";
    if (this.state === "replaced") return;
    this.before.replaceChildren("Before: ", text.slice(0, this.start),
      el("mark", { text: text.slice(this.start, this.end) }), text.slice(this.end));
    const would = replaced(text, this.start, this.end, by);
    // Where nothing but the words themselves has changed, the new ones are marked.
    const isPlain = would.slice(this.start, this.start + by.length) === by;
    this.after.replaceChildren("After: ", ...(!would ? ["(no words: skip it, or delete the cue)"] : !isPlain || !by ? [would] : [
      would.slice(0, this.start), el("mark", { text: by }), would.slice(this.start + by.length),
    ]));
  }
}

class Finder {
  matches = [];
  refused = "";
  #turn = 0;
  #asked = null;
  #wanted = "";

  constructor(project, go, chosen) {
    Object.assign(this, { project, goTo: go });
    this.text = el("input", { type: "text", autocomplete: "off", maxlength: "2000", value: chosen });
    this.by = el("input", { type: "text", autocomplete: "off", maxlength: "2000", oninput: () => this.show() });
    this.status = el("p", { role: "status" });
    this.list = el("ol", { class: "matches" });
    this.case = checkbox("Match case", false, () => this.search());
    this.whole = checkbox("Whole words", false, () => this.search());
    this.all = button("Replace all", () => this.replace(this.open), { "aria-disabled": "true" });
    this.text.addEventListener("change", () => this.search({ isLeft: true }));
    for (const input of [this.text, this.by]) {
      input.addEventListener("keydown", (event) => event.key === "Enter" && this.#enter(event));
    }
    this.dialog = openDialog("Find and replace", [
      el("div", { class: "tools" }, field("Find", this.text, { class: "field wide" }),
        field("Replace by", this.by, { class: "field wide" }), this.case, this.whole),
      el("div", { class: "tools" }, button("Find", () => this.search(), { class: "main" }), this.all),
      this.status, this.list,
    ], [["Close", null]], { focus: this.text, wide: true, label: "find" });
    if (chosen) this.search();
  }

  /** Enter finds; where that has been done, it goes on to what was found. */
  #enter(event) {
    event.preventDefault(); // the same press is not to reach the button that gets the focus
    const first = this.open[0];
    if (this.#asked?.text === this.text.value && first) first.replace.focus();
    else this.search();
  }

  get open() {
    return this.matches.filter(({ state }) => state === "open");
  }

  rowOf({ key }) {
    return this.project.byKey.get(key);
  }

  /** Finds anew; where a field was only left, nothing is done that has been done. */
  async search({ isLeft = false } = {}) {
    const asked = { text: this.text.value, case: this.case.input.checked, whole: this.whole.input.checked };
    if (isLeft && this.#wanted === asked.text) return;
    this.#wanted = asked.text;
    const turn = ++this.#turn;
    try {
      await this.project.settled();
      const query = new URLSearchParams(asked);
      const found = asked.text ? (await call("GET", this.project.at(`/find?${query}`))).matches : [];
      if (turn !== this.#turn) return;
      this.#asked = asked;
      this.matches = found.map((one) => new Match(one, this));
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      return void setText(this.status, error.message);
    }
    this.list.replaceChildren(...this.matches.slice(0, SHOWN).map(({ node }) => node));
    this.show();
    const cues = new Set(this.matches.map(({ key }) => key)).size;
    const rest = this.matches.length - SHOWN;
    const more = rest > 0 ? ` The first ${SHOWN} are shown; “Replace all” means the others too.` : "";
    const words = this.matches.length ? `${count(this.matches.length, "match", "matches")} in ${count(cues, "cue")}.${more}` : "Nothing was found.";
    setText(this.status, asked.text ? words : "");
  }

  show() {
    this.matches.slice(0, SHOWN).forEach((one, index) =>
      one.show(this.rowOf(one)?.text ?? "", this.by.value, index, this.matches.length));
    const open = this.open.length;
    setText(this.all, open ? `Replace all ${open}` : "Replace all");
    setOff(this.all, !open);
  }

  /** Leaves a match out of "all", or takes it in again; the next one is gone on to. */
  skip(match) {
    match.state = match.state === "skipped" ? "open" : "skipped";
    this.show();
    if (match.state === "skipped") this.#goOn(match);
  }

  #goOn(match) {
    const at = this.matches.indexOf(match);
    const next = this.matches.slice(at + 1, SHOWN).find(({ state }) => state === "open");
    if (next) return next.replace.focus();
    const left = this.open.length;
    setText(this.status, `${this.status.textContent} ${left ? `This was the last one; ${left} before it are left.` : "No match is left."}`.trim());
    return (left ? this.all : this.text).focus();
  }

  /** Replaces some matches, in one step. */
  async replace(chosen) {
    if (!this.#asked?.text || !chosen.length) return setText(this.status, "Find something first.");
    const { text, case: sameCase, whole } = this.#asked;
    const by = this.by.value;
    const at = chosen.map(({ key, start }) => [key, start]);
    const outcome = await this.project.edit({ op: "replace", text, with: by, case: sameCase, whole_word: whole, at });
    if (!outcome) {
      await this.search();
      return setText(this.status, `Nothing was replaced: ${this.refused} ${this.status.textContent}`);
    }
    for (const match of chosen) this.#done(match, by);
    const isSure = this.open.every((one) => same(this.rowOf(one)?.text.slice(one.start, one.end), text));
    if (!isSure) await this.search(); // other words were put in order on the way, so that the rest stands elsewhere
    this.show();
    setText(this.status, `${outcome.said} Undo takes it back in one step.`);
    return this.#goOn(chosen.at(-1));
  }

  #done(match, by) {
    match.state = "replaced";
    const shift = by.length - (match.end - match.start);
    for (const one of this.matches) if (one.key === match.key && one.start > match.start) one.shift(shift);
  }

  leaveFor(match) {
    this.dialog.finish(null);
    this.goTo(match.key, match.state === "replaced" ? undefined : match);
  }
}

const same = (one, other) => one?.toLowerCase() === other.toLowerCase();

export function showFind(project, go, chosen = "") {
  const finder = new Finder(project, go, chosen);
  const hear = ({ detail }) => (finder.refused = detail.words);
  project.addEventListener("refused", hear);
  finder.dialog.answer.then(() => project.removeEventListener("refused", hear));
}
