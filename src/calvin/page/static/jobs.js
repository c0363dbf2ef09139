// Long work: what runs, how far it is, a button that stops it, and what it has changed.

import { Refused, Unreachable, call } from "./api.js";
import { button, byId, checkbox, el, field, setOff, setText } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { pickStep } from "./picks.js";
import { say } from "./say.js";
import { subtitleChoice } from "./subtitles.js";
import { clock, count, leftWords } from "./words.js";

export const NAMES = {
  begin: "Making the project", describe: "Describing", rewrite: "Rewriting the rest", adapt: "Adapting the model",
  voice: "Speaking the cues", mix: "Mixing", export: "Exporting", proxy: "Making a copy that plays",
  cast: "Looking for who is in the film", pick: "Picking scenes worth correcting",
};
const WRITES = ["describe", "rewrite", "adapt"];
const SPOKEN_STEPS = 4;

export class Jobs extends EventTarget {
  /** The last state of each job that this page has heard of, by id. */
  known = new Map();
  #before = null;
  #quarter = 0;
  /** A job that was asked for and has no number yet; Stop is remembered until it has one. */
  #asked = null;

  constructor(project) {
    super();
    this.project = project;
    this.panel = byId("job");
    this.words = byId("job-words");
    this.bar = byId("job-bar");
    byId("job-stop").addEventListener("click", () => this.stop());
    project.on("job", ({ job }) => this.#hear(job));
    project.on("info", ({ busy }) => (busy || !this.#asked) && this.#show(busy ?? null));
  }

  get running() {
    return this.now?.state === "running" ? this.now : null;
  }

  /** Starts a job. Gives it, or null where it was refused or stopped before it began, which is then said. */
  async start(kind, options = {}) {
    const asked = (this.#asked = { kind, stopped: false });
    const before = this.now;
    this.#tell({ id: null, kind, state: "running", fraction: 0, said: `${NAMES[kind] ?? kind}: starting.`, left_s: null });
    try {
      await this.project.settled();
      if (asked.stopped) return this.#never(asked, before);
      this.#before = { kind, texts: this.#texts() };
      const { job } = await call("POST", this.project.at("/jobs"), { kind, ...options });
      if (this.#asked === asked) this.#asked = null;
      if (this.known.get(job.id)?.state !== "stopped") this.#hear(job);
      if (asked.stopped && job.state === "running") await this.#stop(job);
      return job;
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      this.#never(asked, before);
      say(error.message);
      return null;
    }
  }

  #never(asked, before) {
    if (this.#asked === asked) this.#asked = null;
    if (this.now?.id === null) this.#tell(before);
    if (asked.stopped) say(`${NAMES[asked.kind] ?? asked.kind}: stopped before it began.`);
    return null;
  }

  async stop() {
    const { running } = this;
    if (!running) return;
    if (running.id !== null) {
      await this.#stop(running);
    } else if (this.#asked && !this.#asked.stopped) {
      this.#asked.stopped = true;
      say(`${NAMES[running.kind] ?? running.kind}: it is only starting, and is stopped as soon as it has.`);
    }
  }

  async #stop({ id, kind }) {
    try {
      await call("DELETE", this.project.at(`/jobs/${encodeURIComponent(id)}`));
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      say(error.message);
      return;
    }
    say(`${NAMES[kind] ?? kind}: stopping. What was finished is kept.`);
  }

  #texts() {
    return new Map(this.project.rows.map((row) => [row.key, row.text]));
  }

  #hear(job) {
    const old = this.known.get(job.id);
    this.known.set(job.id, job);
    this.#show(job);
    const name = NAMES[job.kind] ?? job.kind;
    if (job.state === "running") {
      if (!old) [this.#quarter] = [0, say(`${name} has begun.`)];
      const quarter = Math.floor((job.fraction ?? 0) * SPOKEN_STEPS);
      if (quarter > this.#quarter && quarter < SPOKEN_STEPS) say(`${name}: ${quarter * 25} percent.`);
      this.#quarter = Math.max(this.#quarter, quarter);
    } else if (old?.state !== job.state) {
      say(job.said || `${name}: ${job.state}.`);
      this.#ended(job);
    }
    this.dispatchEvent(new CustomEvent("job", { detail: job }));
  }

  #tell(job) {
    this.#show(job);
    this.dispatchEvent(new CustomEvent("job", { detail: job }));
  }

  async #ended(job) {
    this.project.retry();
    // At once, for what is offered to be looked at; without the job's own word, the texts have to come in first.
    if (WRITES.includes(job.kind)) this.compared = job.result?.before_after ?? [];
    try {
      await Promise.all([this.project.reloadInfo(), this.project.refresh()]);
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
    }
    if (WRITES.includes(job.kind) && !job.result?.before_after) this.compared = this.#changed(job);
    this.dispatchEvent(new CustomEvent("ended", { detail: job }));
  }

  /** What a job has changed, by the page's own memory of the texts before it. */
  #changed(job) {
    if (this.#before?.kind !== job.kind) return [];
    const { texts } = this.#before;
    return this.project.rows
      .filter((row) => row.cue && texts.get(row.key) !== row.text)
      .map((row) => ({ key: row.key, start_ms: row.start_ms, before: texts.get(row.key) ?? "", after: row.text }));
  }

  #show(job) {
    this.now = job;
    const isRunning = job?.state === "running";
    this.panel.hidden = !isRunning;
    if (!isRunning) return;
    const left = leftWords(job.left_s);
    setText(this.words, [job.said || NAMES[job.kind], left].filter(Boolean).join("; "));
    const percent = Math.round((job.fraction ?? 0) * 100);
    this.bar.value = percent;
    setText(this.bar, `${percent} percent`);
  }
}

/** The dialog of the loop: describe, correct, adapt, rewrite; and what the last run has changed. */
export function showWork(project, jobs, go) {
  const { captioner, counts } = project.info;
  const approved = project.counts().approved || counts?.approved || 0;
  const fetch = checkbox("It may be fetched from a model hub", false, () => {});
  const model = el("input", { type: "text", autocomplete: "off", placeholder: captioner?.name ?? "" });
  const iterations = el("input", { type: "number", class: "short", min: "2", max: "1000", placeholder: "100" });
  const status = el("p", { role: "status" });
  const buttons = [];
  const run = (words, kind, options = () => ({})) => {
    const made = button(words, async () => {
      const wish = options();
      if (typeof wish === "string") return setText(status, wish);
      setText(status, `${NAMES[kind]}…`);
      const job = await jobs.start(kind, wish);
      if (!job) setText(status, byId("shown-message").textContent);
      return null;
    });
    buttons.push(made);
    return made;
  };
  const subtitles = subtitleChoice(project.at("/subtitles"), "As they are");
  const notes = el("ul", { class: "plain" });
  const stop = button("Stop", () => jobs.stop());
  const compare = button("Before and after…", () => showCompared(project, jobs.compared ?? []));
  const picks = pickStep(project, run, (key) => (dialog.finish(null), go(key)));
  const step = (title, text, ...parts) =>
    el("section", { class: "step" }, el("h3", { text: title }), el("p", { text }), el("div", { class: "tools" }, ...parts));
  const dialog = openDialog("Let the model work", [
    el("p", { text: `The model is ${captioner?.name || "not named yet"}. What you wrote or approved is never touched.` }),
    step("Describe", "Fills the places that are still empty, and writes drafts again that another model made.",
      field("Model (empty: the same as before)", model, { class: "field wide" }), fetch,
      run("Describe", "describe", () => (model.value.trim() ? { model: model.value.trim(), fetch: fetch.input.checked } : {}))),
    el("section", { class: "step" }, el("h3", { text: "Pick" }), ...picks.body),
    step("Adapt", `Learns from what you have corrected and approved: ${approved} cues so far; about 20 is a good number.`,
      field("Iterations (empty: 100; fewer take less time and teach less)", iterations),
      run("Adapt the model", "adapt", () => (iterations.value ? { iterations: Number(iterations.value) } : {}))),
    step("Rewrite", "Writes the drafts anew with the adapted model.", run("Rewrite the rest", "rewrite"), compare),
    el("details", { class: "step", ontoggle: () => subtitles.load() }, el("summary", { text: "Dialogue: go by other subtitles" }),
      el("p", { text: "Descriptions lie where nobody speaks. By other subtitles, the silences are looked for anew and drafts are written again." }),
      ...subtitles.body,
      el("div", { class: "tools" }, run("Use these subtitles", "describe", () =>
        subtitles.chosen() ? { subtitles: subtitles.chosen() } : "Choose subtitles first: a file, a track of the film, or none."))),
    status, notes, el("div", { class: "tools" }, stop),
  ], [["Close", null, true]], { wide: true, label: "work" });
  const refresh = (event) => {
    if (event?.type === "ended") picks.look();
    const running = jobs.running;
    for (const one of buttons) setOff(one, running);
    setOff(stop, !running);
    setOff(compare, !jobs.compared?.length);
    if (running) setText(status, `${running.said} ${leftWords(running.left_s)}`.trim());
    else if (jobs.now?.said) setText(status, jobs.now.said);
    notes.replaceChildren(...(running ? [] : jobs.now?.result?.notes ?? []).map((text) => el("li", { text })));
  };
  const listeners = ["job", "ended"];
  for (const type of listeners) jobs.addEventListener(type, refresh);
  dialog.answer.then(() => listeners.forEach((type) => jobs.removeEventListener(type, refresh)));
  refresh();
  picks.look();
}

export function showCompared(project, changes) {
  const rows = changes.map(({ key, start_ms, before, after }) =>
    el("tr", {},
      el("th", { scope: "row", text: clock(start_ms ?? project.byKey.get(key)?.start_ms ?? 0) }),
      el("td", { text: before || "(nothing)" }), el("td", { text: after || "(nothing)" })));
  openDialog("Before and after", [
    el("p", { text: changes.length ? `${count(changes.length, "cue differs", "cues differ")}.` : "Nothing has changed." }),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Before and after" },
      el("table", {},
        el("thead", {}, el("tr", {}, ...["Time", "Before", "After"].map((text) => el("th", { scope: "col", text })))),
        el("tbody", {}, ...rows))),
  ], [["Close", null, true]], { wide: true });
}
