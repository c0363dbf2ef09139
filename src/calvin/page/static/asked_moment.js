// Which moment of the film a question is about: the row's own, or where the film stands, where that is another.

import { el } from "./dom.js";
import { clock } from "./words.js";

/** Nearer together than this, both moments show the same. */
const APART_MS = 250;

export class AskedMoment {
  /** "row" or "film" */
  #chosen = "row";

  constructor(film, row) {
    this.row = row;
    this.playhead = film.hasPlayhead ? film.playhead : 0;
    const own = `${row.cue ? "The cue" : "The place"} itself, at ${clock(row.still_ms)}`;
    // A film at its very beginning has not been moved.
    this.isElsewhere = this.playhead > 0 && Math.abs(this.playhead - row.still_ms) > APART_MS;
    this.node = this.isElsewhere
      ? el("fieldset", {}, el("legend", { text: "The question is about" }),
        this.#radio("row", own), this.#radio("film", `Where the film stands, at ${clock(this.playhead)}`))
      : el("p", { text: `The question is about ${own.charAt(0).toLowerCase()}${own.slice(1)}.` });
  }

  #radio(value, words) {
    return el("label", { class: "check" },
      el("input", { type: "radio", name: "asked-moment", checked: value === this.#chosen, onchange: () => (this.#chosen = value) }),
      el("span", { text: words }));
  }

  get ms() {
    return this.#chosen === "film" ? this.playhead : this.row.still_ms;
  }

  /** What the server is asked about. */
  get asked() {
    return this.#chosen === "film" ? { at_ms: this.playhead } : { key: this.row.key };
  }

  /** A question with the moment that it was put about. */
  told(question) {
    return `${clock(this.ms)}: ${question}`;
  }
}
