// The project as the page knows it: rows, what is typed and not sent, and the edits on their way, sent one by one.
//
// Nothing that a person has written is lost here: a draft stays until the server has answered for it, whatever comes
// between, and a cue that was changed elsewhere meanwhile ends in a question with both texts.

import { Refused, Unreachable, call, onNewToken } from "./api.js";
import { events } from "./stream.js";

/** Milliseconds without a key before what was typed is sent. */
const QUIET_MS = 1500;
const RETRY_MS = [1000, 2000, 4000, 8000];

export class Project extends EventTarget {
  info = null;
  rows = [];
  byKey = new Map();
  undoWords = null;
  redoWords = null;
  /** "", or why nothing can be sent now. */
  trouble = "";
  /** key -> {text, version, timer}: typed and not on its way. `version` null: that of the answer to come. */
  drafts = new Map();
  #queue = [];
  #pumping = false;
  #wake = null;
  #held = [];
  #complete = false;
  #entered = new Map();
  #renamed = new Map();

  constructor(pid) {
    super();
    this.pid = pid;
    onNewToken(() => this.retry());
  }

  at(path) {
    return `/api/p/${encodeURIComponent(this.pid)}${path}`;
  }

  media(path) {
    return `/media/p/${encodeURIComponent(this.pid)}${path}`;
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  on(type, listener) {
    this.addEventListener(type, (event) => listener(event.detail));
  }

  // Loading

  /** The first paint: everything but findings. The rest comes with `refresh`. */
  async load() {
    const [info, light] = await Promise.all([call("GET", this.at("")), call("GET", this.at("/rows?light=1"))]);
    this.#take(info);
    this.#replace(light.rows);
  }

  async refresh() {
    const { rows } = await call("GET", this.at("/rows"), undefined, { timeout: 120_000 });
    this.#complete = true;
    this.#replace(rows);
  }

  async reloadInfo() {
    this.#take(await call("GET", this.at("")));
  }

  #take(info) {
    this.info = info;
    [this.undoWords, this.redoWords] = [info.undo ?? null, info.redo ?? null];
    this.emit("info", info);
    this.emit("steps");
  }

  #replace(rows) {
    // A row whose edit is on its way has its answer to come, and keeps what it shows until then.
    const flying = new Set(this.#queue.map((item) => item.key));
    this.rows = rows.map((row) => (flying.has(row.key) && this.byKey.get(row.key)) || row);
    for (const key of new Set([...this.drafts.keys(), ...flying])) {
      const kept = this.byKey.get(key);
      if (kept && !this.rows.some((row) => row.key === key)) this.rows.push(kept);
    }
    this.#index();
    this.emit("rows", { all: true });
  }

  #index() {
    const number = (key) => Number(key.slice(key.indexOf("-") + 1));
    this.rows.sort((a, b) => a.start_ms - b.start_ms || a.end_ms - b.end_ms || number(a.key) - number(b.key));
    this.byKey = new Map(this.rows.map((row) => [row.key, row]));
  }

  /** Follows what happens on the server until the page is left, and asks anew after each break. */
  async follow() {
    for (let turn = 0; ; turn += 1) {
      try {
        if (turn > 0) await Promise.all([this.reloadInfo(), this.refresh()]);
        await events(this.at("/events"), (event) => this.#receive(event));
      } catch (error) {
        if (!(error instanceof Unreachable || error instanceof Refused || error instanceof TypeError)) throw error;
        if (!this.trouble) this.#setTrouble(troubleOf(error));
      }
      await pause(2000);
      if (this.trouble && !this.#queue.length) await this.#probe();
    }
  }

  async #probe() {
    try {
      await this.reloadInfo();
      this.#setTrouble("");
    } catch (error) {
      this.#setTrouble(troubleOf(error));
    }
  }

  #receive(event) {
    if (event.type === "rows" && event.all) {
      this.refresh().catch(() => {}); // where it fails, the stream of events has ended too, and all is read again
    } else if (event.type === "hello") {
      [this.undoWords, this.redoWords] = [event.undo, event.redo];
      this.emit("steps");
    } else if (event.type === "rows") {
      // Told without its findings, a row keeps those that it has.
      if (event.light) event.changed = event.changed.map((row) => ({ ...row, findings: this.byKey.get(row.key)?.findings ?? [] }));
      if (this.#pumping) this.#held.push(event);
      else this.#apply(event);
    } else if (event.type === "bye") {
      this.#setTrouble("The server has ended. What you write is kept in this page.");
    } else {
      this.emit(event.type, event);
    }
  }

  // What is typed

  textOf(key) {
    return this.drafts.get(key)?.text ?? this.#flying(key)?.text ?? this.byKey.get(key)?.text ?? "";
  }

  #flying(key) {
    return this.#queue.findLast((item) => item.key === key && item.text !== undefined);
  }

  /** The row of a key, once what was typed into it is sent: a place that got words is a cue by then. */
  async written(key) {
    await this.settled();
    return this.byKey.get(this.#renamed.get(key) ?? key);
  }

  isUnsent(key) {
    return this.drafts.has(key) || Boolean(this.#flying(key));
  }

  get unsent() {
    return [...this.drafts.values()].filter(({ text }) => text.trim()).length + this.#queue.length;
  }

  /** Everything typed that the server has not answered for, to be saved by hand: [{at_ms, text}]. */
  unsentTexts() {
    const keys = new Set([...this.#queue.filter((item) => item.text !== undefined).map((item) => item.key)]);
    for (const key of this.drafts.keys()) keys.add(key);
    return [...keys].map((key) => ({ at_ms: this.byKey.get(key)?.start_ms ?? 0, text: this.textOf(key) }));
  }

  type(key, text) {
    const draft = this.drafts.get(key) ?? {
      version: this.#flying(key) ? null : this.byKey.get(key).version,
      since: this.#entered.get(key) ?? performance.now(),
    };
    clearTimeout(draft.timer);
    draft.text = text;
    draft.refused = false;
    draft.timer = setTimeout(() => this.flush(key), QUIET_MS);
    this.drafts.set(key, draft);
  }

  /** The field of a row has the focus: from here on the time is counted that an edit of it takes. */
  enter(key) {
    this.#entered.set(key, performance.now());
  }

  /** Sends what was typed into one row, or into all of them. */
  flush(key) {
    for (const one of key ? [key] : [...this.drafts.keys()]) {
      const draft = this.drafts.get(one);
      if (!draft || draft.refused) continue;
      const row = this.byKey.get(one);
      // A field that is emptied on the way to other words is not sent: no cue is without any.
      if (row?.cue && !draft.text.trim()) continue;
      clearTimeout(draft.timer);
      this.drafts.delete(one);
      if (row && !row.cue && !draft.text.trim()) continue;
      if (!this.#flying(one) && row && draft.text === row.text) continue;
      const now = performance.now();
      this.#entered.set(one, now);
      const took_ms = Math.round(now - draft.since);
      this.#send({ key: one, text: draft.text, version: draft.version, took_ms, at_ms: row?.start_ms });
    }
  }

  // Edits

  /** Sends an edit. Resolves to its outcome, or to null where it was refused or put to the user. */
  edit(op) {
    this.flush();
    return this.#send({ key: op.key, op });
  }

  undo() {
    this.flush();
    return this.#send({ step: "undo" });
  }

  redo() {
    this.flush();
    return this.#send({ step: "redo" });
  }

  /** Resolves when everything on its way has been answered. */
  async settled() {
    this.flush();
    await Promise.all(this.#queue.map((item) => item.done));
  }

  retry() {
    this.#wake?.();
  }

  #send(item) {
    item.id = crypto.randomUUID();
    item.done = new Promise((resolve) => (item.resolve = resolve));
    this.#queue.push(item);
    this.#pump();
    return item.done;
  }

  #body(item) {
    if (item.step) return {};
    const row = this.byKey.get(item.key);
    if (item.op) return item.op.key ? { version: row?.version ?? "", ...item.op } : item.op;
    const { text, took_ms } = item;
    if (row && !row.cue) return { op: "write", place: row.place, text, took_ms };
    return { op: "text", key: item.key, version: item.version ?? row?.version ?? "", text, took_ms };
  }

  async #pump() {
    if (this.#pumping) return;
    this.#pumping = true;
    let failed = 0;
    while (this.#queue.length) {
      const item = this.#queue[0];
      try {
        const outcome = await call("POST", this.at(`/${item.step ?? "edits"}`), this.#body(item), { id: item.id });
        this.#queue.shift();
        failed = 0;
        this.#setTrouble("");
        this.#finish(item, outcome);
        item.resolve(outcome);
      } catch (error) {
        if (error instanceof Unreachable || (error instanceof Refused && error.passing)) {
          this.#setTrouble(troubleOf(error));
          await this.#later(RETRY_MS[Math.min(failed++, RETRY_MS.length - 1)]);
          continue;
        }
        this.#queue.shift();
        this.#setTrouble("");
        this.#refused(item, error);
        item.resolve(null);
      }
    }
    this.#pumping = false;
    for (const event of this.#held.splice(0)) this.#apply(event);
    this.emit("idle");
  }

  #later(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => (clearTimeout(timer), resolve());
    });
  }

  #finish(item, outcome) {
    const written = item.text !== undefined && outcome.removed.includes(item.key) && outcome.focus;
    if (written) this.#rename(item.key, outcome.focus);
    this.#apply(outcome);
    const draft = this.drafts.get(written ? outcome.focus : item.key);
    if (draft && draft.version === null) draft.version = this.byKey.get(written ? outcome.focus : item.key)?.version;
    this.emit("outcome", { outcome, item });
  }

  /** An empty place has become a cue: what was typed on goes to the cue, and the list keeps the field. */
  #rename(from, to) {
    const draft = this.drafts.get(from);
    this.#entered.set(to, this.#entered.get(from));
    if (draft) {
      clearTimeout(draft.timer);
      this.drafts.delete(from);
      this.drafts.set(to, { ...draft, version: null, timer: setTimeout(() => this.flush(to), QUIET_MS) });
    }
    for (const item of this.#queue) {
      if (item.key !== from) continue;
      item.key = to;
      item.version = null;
      if (item.op?.key) item.op.key = to;
    }
    this.#renamed.set(from, to);
    this.emit("renamed", { from, to });
  }

  #refused(item, error) {
    const words = error instanceof Error ? error.message : String(error);
    if (!(error instanceof Refused)) console.error(error);
    if (error.status === 409 && item.text !== undefined) {
      const theirs = error.body.theirs ?? null;
      const mine = this.#lastTyped(item);
      if (theirs) this.#apply({ changed: [theirs], removed: [] });
      if (theirs?.text === mine) return;
      const at_ms = this.byKey.get(item.key)?.start_ms ?? item.at_ms;
      this.emit("conflict", { key: item.key, mine, theirs, words, at_ms });
      return;
    }
    if (error.status === 409 && error.body.theirs) this.#apply({ changed: [error.body.theirs], removed: [] });
    if (item.text !== undefined && !this.drafts.has(item.key)) {
      // Kept as it was typed, and not sent again by itself: it would be refused again.
      this.drafts.set(item.key, { text: item.text, version: item.version, refused: true });
    }
    this.emit("refused", { key: item.key, words, item });
  }

  /** What was typed last into the row of an edit that met another text: nothing of it is sent by itself any more, as that
   * would take the place of a text which the person has not seen. */
  #lastTyped({ key, text }) {
    let mine = text;
    for (const later of this.#queue.filter((item) => item.key === key && item.text !== undefined)) {
      mine = later.text;
      later.resolve(null);
    }
    this.#queue = this.#queue.filter((item) => item.key !== key || item.text === undefined);
    const draft = this.drafts.get(key);
    if (!draft) return mine;
    clearTimeout(draft.timer);
    this.drafts.delete(key);
    return draft.text.trim() ? draft.text : mine;
  }

  #apply({ changed = [], removed = [], undo, redo }) {
    if (undo !== undefined) this.undoWords = undo;
    if (redo !== undefined) this.redoWords = redo;
    const gone = new Set(removed.filter((key) => this.byKey.has(key)));
    const fresh = changed.map((row) => this.#whole(row)).filter((row) => !sameRow(this.byKey.get(row.key), row));
    if (gone.size || fresh.length) {
      const lost = [...gone].filter((key) => this.drafts.has(key)).map((key) => this.byKey.get(key));
      for (const row of fresh) this.byKey.set(row.key, row);
      for (const key of gone) this.byKey.delete(key);
      this.rows = [...this.byKey.values()];
      this.#index();
      this.emit("rows", { changed: fresh.map((row) => row.key), removed: [...gone] });
      for (const { key, start_ms: at_ms } of lost) {
        const { text, timer } = this.drafts.get(key);
        clearTimeout(timer);
        this.drafts.delete(key);
        this.emit("conflict", { key, mine: text, theirs: null, words: "This cue was removed elsewhere.", at_ms });
      }
    }
    this.emit("steps");
  }

  /** Edits say nothing of what lint finds in the film as a whole: that stands until all is read again. */
  #whole(row) {
    const ofFilm = (this.byKey.get(row.key)?.findings ?? []).filter(({ film }) => film);
    const known = row.findings ?? [];
    return known.some(({ film }) => film) ? row : { ...row, findings: [...known, ...ofFilm] };
  }

  #setTrouble(words) {
    if (words === this.trouble) return;
    this.trouble = words;
    this.emit("trouble", words);
  }

  /** How many rows there are of each status, as the page knows them. */
  counts() {
    const found = { empty: 0, draft: 0, "needs-work": 0, approved: 0 };
    for (const row of this.rows) found[row.status] = (found[row.status] ?? 0) + 1;
    return found;
  }

  get complete() {
    return this.#complete;
  }
}

function sameRow(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}

function troubleOf(error) {
  if (error instanceof Refused && [401, 403].includes(error.status)) {
    return (
      "calvin studio was started again. Open the address that it printed in another tab of this browser: this page " +
      "then sends what you have written."
    );
  }
  if (error instanceof Refused) return `${error.message} What you write is kept in this page, and sent as soon as it can be.`;
  return "The server does not answer. What you write is kept in this page, and sent as soon as it is back.";
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
