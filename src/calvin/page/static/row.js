// One row of the list: what is always there, and behind "More" what is needed now and then.

import { button, checkbox, choice, el, field, setAttribute, setText } from "./dom.js";
import { keyProps } from "./keys.js";
import { KINDS, STATUSES, exactTime, facts, isTooLong, parseTime, title } from "./words.js";

const GROWS = CSS.supports("field-sizing", "content");
let ids = 0;

export class Row {
  /**
   * @param project the state of the project
   * @param actions what the buttons do, by name: (key, ...) => void
   */
  constructor(project, actions) {
    this.project = project;
    this.actions = actions;
    this.id = `row-${++ids}`;
    this.shown = null;
    this.#build();
  }

  get key() {
    return this.node.dataset.key;
  }

  #build() {
    const id = this.id;
    this.heading = el("h3", { id: `${id}-title` });
    this.state = el("span", { class: "state" });
    this.room = el("span");
    this.facts = el("p", { id: `${id}-facts`, class: "facts" }, el("span"), " ", this.room, " ", el("span"));
    this.findings = el("ul", { id: `${id}-findings`, class: "findings" });
    this.problem = el("p", { id: `${id}-problem`, class: "problem", hidden: true });
    this.text = el("textarea", {
      id: `${id}-text`, rows: "2", spellcheck: "true", maxlength: "2000", autocomplete: "off",
      "aria-describedby": `${id}-facts ${id}-findings ${id}-problem`,
      oninput: () => this.#typed(),
      onfocus: () => this.project.enter(this.key),
      onblur: () => this.#left(),
    });
    this.image = el("img", { alt: "", loading: "lazy", decoding: "async", width: "160", height: "90" });
    this.still = button("", () => this.actions.show(this.key), { class: "still" });
    this.still.append(this.image, el("span", { class: "vh", text: "Show this moment in the film" }));
    this.tools = this.#tools();
    this.node = el("li", {},
      el("div", { role: "group", class: "row", "aria-labelledby": `${id}-title` },
        this.still,
        el("div", { class: "row-main" },
          el("div", { class: "row-head" }, this.heading, this.state),
          el("label", { class: "vh", for: `${id}-text`, text: "Text" }), this.text,
          this.facts, this.findings, this.problem, this.tools)));
  }

  /** Times, kind, status and the buttons that every cue has in view. */
  #tools() {
    const act = (name) => () => this.actions[name](this.key);
    this.start = this.#time("Start", "start_ms");
    this.end = this.#time("End", "end_ms");
    this.kind = choice(Object.entries(KINDS), "", (kind) => this.#edit({ op: "kind", kind }));
    const statuses = Object.entries(STATUSES).filter(([status]) => status !== "empty");
    this.status = choice(statuses, "", (status) => this.#edit({ op: "status", status }));
    this.pauses = checkbox("Film pauses", false, (on) => this.#edit({ op: "extended", on }));
    this.fields = el("div", { class: "tools" },
      field("Start", this.start), field("End", this.end), field("Kind", this.kind), field("Status", this.status),
      this.pauses);
    const tool = (words, name, props = {}) => button(words, act(name), { ...keyProps(name), ...props });
    this.hear = tool("Hear in the mix", "hearMix");
    this.approve = tool("Approve and go on", "approve", { class: "main" });
    this.ofPlace = [
      tool("Hear the whole gap", "hearGap"), tool("Play the film from here", "playFrom"),
      tool("Other wordings…", "again"), tool("Ask the film…", "ask"), tool("Insert a cue after this", "insert"),
    ];
    this.more = button("More", () => this.toggle(), { "aria-expanded": "false", "aria-controls": `${this.id}-more` });
    this.panel = el("div", { id: `${this.id}-more`, class: "more", hidden: true });
    return el("div", {},
      this.fields,
      el("div", { class: "tools" }, this.hear, ...this.ofPlace, this.approve, this.more),
      this.panel);
  }

  #time(label, name) {
    const input = el("input", { type: "text", class: "time", autocomplete: "off", inputmode: "decimal" });
    input.addEventListener("change", () => {
      const ms = parseTime(input.value);
      setAttribute(input, "aria-invalid", ms === null);
      if (ms === null) {
        this.complain(`${label}: “${input.value}” is no time. Write it like 0:01:02.500.`);
        return;
      }
      const { duration_ms } = this.project.info;
      if (ms > duration_ms) {
        setAttribute(input, "aria-invalid", true);
        this.complain(`${label}: the film ends at ${exactTime(duration_ms)}.`);
        return;
      }
      this.complain("");
      if (ms !== this.shown[name]) this.#edit({ op: "times", [name]: ms });
    });
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || input.value === exactTime(this.shown[name])) return;
      event.stopPropagation();
      input.value = exactTime(this.shown[name]);
      setAttribute(input, "aria-invalid", false);
      this.complain("");
    });
    return input;
  }

  #edit(op) {
    return this.project.edit({ ...op, key: this.key });
  }

  #typed() {
    this.project.type(this.key, this.text.value);
    this.#grow();
    this.complain("");
    this.#words();
  }

  #left() {
    this.project.flush(this.key);
    if (this.shown.cue && !this.text.value.trim()) this.complain("A cue needs words: write some, or delete the cue.");
  }

  #grow() {
    if (GROWS) return;
    this.text.style.height = "auto";
    this.text.style.height = `${this.text.scrollHeight + 2}px`;
  }

  #words() {
    const text = this.text.value;
    facts(this.shown, text).forEach((words, index) => setText(this.facts.children[index], words));
    this.room.classList.toggle("too-long", isTooLong(this.shown, text));
    setText(this.state, this.project.isUnsent(this.key) ? "Not sent yet" : STATUSES[this.shown.status]);
  }

  /** Shows why something was refused, at the row it is about; "" takes that away. */
  complain(words) {
    setText(this.problem, words);
    this.problem.hidden = !words;
  }

  update(row, index, total) {
    setText(this.heading, title(row, index, total));
    const text = this.project.textOf(row.key);
    if (this.text.value !== text) {
      const { selectionStart, selectionEnd } = this.text;
      this.text.value = text;
      if (document.activeElement === this.text) this.text.setSelectionRange(selectionStart, selectionEnd);
    }
    const same = this.shown === row;
    this.shown = row;
    this.#words();
    if (same) return;
    this.#facts(row);
    requestAnimationFrame(() => this.#grow());
    if (!this.panel.hidden) this.#fill();
  }

  #facts(row) {
    this.node.firstElementChild.dataset.status = row.status;
    const address = this.project.media(`/still/${row.still_ms}.jpg`);
    if (this.image.getAttribute("src") !== address) this.image.src = address;
    for (const [input, name] of [[this.start, "start_ms"], [this.end, "end_ms"]]) {
      if (document.activeElement !== input || input.value === "") input.value = exactTime(row[name]);
      if (document.activeElement !== input) input.removeAttribute("aria-invalid");
    }
    this.kind.value = row.kind;
    this.status.value = row.status;
    this.pauses.input.checked = row.extended;
    const isCue = Boolean(row.cue);
    for (const part of [this.fields, this.hear, this.approve, this.more]) part.hidden = !isCue;
    for (const part of this.ofPlace) part.hidden = isCue;
    if (!isCue) this.toggle(false);
    setText(this.approve, row.status === "approved" ? "Approved; go on" : "Approve and go on");
    this.findings.replaceChildren(
      ...(row.findings ?? []).map(({ level, message }) =>
        el("li", { text: `${level === "error" ? "Error" : "Warning"}: ${message}` })),
      ...(row.comments ?? []).filter(({ done }) => !done).map(({ text }) => el("li", { text: `Comment: ${text}` })));
    this.findings.hidden = !this.findings.childElementCount;
  }

  toggle(open = this.panel.hidden) {
    if (open === !this.panel.hidden) return;
    if (open) this.#fill();
    this.panel.hidden = !open;
    this.more.setAttribute("aria-expanded", String(open));
  }

  /** The rest of the tools; made when they are first asked for, as most rows are never opened. */
  #fill() {
    if (!this.extra) this.extra = new RowExtras(this);
    if (!this.panel.firstChild) this.panel.append(this.extra.node);
    this.extra.update(this.shown);
  }
}

class RowExtras {
  constructor(row) {
    this.row = row;
    const act = (name, ...values) => () => row.actions[name](row.key, ...values);
    const tool = (words, name) => button(words, act(name), keyProps(name));
    this.by = el("input", { type: "number", class: "short", value: "0.5", step: "0.1", min: "-600", max: "600" });
    this.comment = el("input", { type: "text", maxlength: "500", autocomplete: "off" });
    this.comment.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#comment();
    });
    this.comments = el("ul", { class: "plain" });
    this.unrecord = button("Remove the recording", act("unrecord"));
    this.heard = button("Hear the recording", act("hearRecording"));
    this.node = el("div", {},
      this.#group("Listen",
        tool("Hear the whole gap", "hearGap"), button("The voice alone", act("hearVoice")),
        tool("Play the film from here", "playFrom"), this.heard),
      this.#group("Time",
        tool("0.25 s earlier", "earlier"), tool("0.25 s later", "later"),
        tool("One frame earlier", "frameEarlier"), tool("One frame later", "frameLater"),
        tool("Start at the playhead", "startHere"), tool("End at the playhead", "endHere"),
        field("Seconds", this.by),
        button("Shift this and all that follow", () => row.actions.shift(row.key, Math.round(this.by.value * 1000)))),
      this.#group("Cue",
        tool("Split at the cursor", "split"), button("Merge with the next", act("merge")),
        button("Duplicate", act("duplicate")), tool("Insert a cue after this", "insert"),
        button("Delete", act("remove"))),
      this.#group("Words",
        tool("Other wordings…", "again"), tool("Ask the film…", "ask"),
        button("Earlier texts…", act("history"))),
      this.#group("Own voice",
        tool("Record…", "record"), button("Bring in a WAV file…", act("bringIn")), this.unrecord),
      this.#group("Comments", this.comments, field("New comment", this.comment, { class: "field wide" }),
        button("Add the comment", () => this.#comment())));
  }

  #group(name, ...parts) {
    return el("div", { class: "tools", role: "group", "aria-label": name },
      el("span", { class: "group-name", "aria-hidden": "true", text: name }), ...parts);
  }

  async #comment() {
    const text = this.comment.value.trim();
    if (!text) return;
    const outcome = await this.row.project.edit({ op: "comment", key: this.row.key, text });
    if (outcome) this.comment.value = "";
  }

  update(shown) {
    this.unrecord.hidden = this.heard.hidden = !shown.recorded;
    this.comments.hidden = !shown.comments?.length;
    this.comments.replaceChildren(
      ...(shown.comments ?? []).map(({ id, text, done }) =>
        el("li", {}, checkbox(`${text} (done)`, done, (on) =>
          this.row.project.edit({ op: "comment_done", key: this.row.key, id, done: on })))));
  }
}
