// One moment of the film: other wordings of its cue, questions to the captioner, and the texts it has had.

import { Refused, Unreachable, call } from "./api.js";
import { AskedMoment } from "./asked_moment.js";
import { button, checkbox, el, setOff, setText } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { clock, count } from "./words.js";

const LONG = { timeout: 600_000 };

const told = (error) => {
  if (error instanceof Refused || error instanceof Unreachable) return error.message;
  throw error;
};

/** What the captioner is asked: one thing at a time, with a button that stops it, and what is told of it meanwhile. */
class Asking {
  #number = null;
  #stopped = false;

  /** `status`: where it is told how far it is. `change`: called when something is asked, and when that has ended. */
  constructor(project, status, change) {
    Object.assign(this, { project, status, change });
    this.button = button("Stop", () => this.stop());
    setOff(this.button, true);
    this.hear = ({ detail }) => detail.number === this.#number && !this.#stopped && setText(status, detail.said);
    project.addEventListener("asked", this.hear);
  }

  get running() {
    return this.#number !== null;
  }

  /** Gives the answer; null where there is none, which is told. */
  async post(path, body, words) {
    if (this.running) return null;
    const number = (this.#number = crypto.randomUUID());
    this.#stopped = false;
    setOff(this.button, false);
    setText(this.status, words);
    this.change();
    try {
      await Promise.race([this.project.settled(), new Promise((resolve) => (this.give = resolve))]);
      if (!this.#stopped) return await call("POST", this.project.at(path), { ...body, number }, LONG);
      setText(this.status, "Stopped. What you wrote is kept.");
    } catch (error) {
      setText(this.status, error instanceof Refused && error.body.stopped ? "Stopped. What you wrote is kept." : told(error));
    } finally {
      this.#number = null;
      setOff(this.button, true);
      this.change();
    }
    return null;
  }

  async stop() {
    if (!this.running || this.#stopped) return;
    this.#stopped = true;
    setText(this.status, "Stopping…");
    this.give?.();
    try {
      await call("DELETE", this.project.at(`/asked/${this.#number}`));
    } catch (error) {
      setText(this.status, told(error));
      this.#stopped = false;
    }
  }

  /** In a dialog, Escape stops what is asked before it closes anything; with the dialog, it ends too. */
  isIn(dialog) {
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.running) return;
      event.preventDefault();
      event.stopPropagation();
      this.stop();
    });
    dialog.answer.then(() => {
      this.stop();
      this.project.removeEventListener("asked", this.hear);
    });
  }
}

/** Candidates of the model, and new ones: shorter, anew, with people named who are there. */
export async function showWordings(project, row) {
  const list = el("ol", { class: "plain wordings" });
  const status = el("p", { role: "status" });
  const people = (project.info.people ?? []).map(({ name, look }) =>
    Object.assign(checkbox(look ? `${name} (${look})` : name, false, () => {}), { person: name }));
  let fresh = [];

  const take = async (text) => {
    const now = project.byKey.get(row.key);
    if (!now) return dialog.finish(null);
    if (!now.cue) {
      project.type(row.key, text);
      project.flush(row.key);
      return dialog.finish(text);
    }
    // Candidates are chosen by number, and others may have come before them since this list was read.
    try {
      await project.settled();
      const { candidates } = await call("GET", project.at(`/rows/${row.key}`));
      const number = candidates.indexOf(text) + 1;
      const op = number ? { op: "choose", key: row.key, number } : { op: "text", key: row.key, text };
      if (await project.edit(op)) dialog.finish(text);
    } catch (error) {
      setText(status, told(error));
    }
  };
  const shown = (text, what) =>
    el("li", {}, el("span", { class: "wording", text: text || "(nothing)" }),
      button("Use this", () => take(text), { "aria-label": `Use ${what}: ${text}` }));

  function refresh() {
    const { candidates = [] } = project.byKey.get(row.key) ?? row;
    const extra = fresh.filter((text) => !candidates.includes(text));
    list.replaceChildren(
      ...extra.map((text, index) => shown(text, `new wording ${index + 1}`)),
      ...candidates.map((text, index) => shown(text, `candidate ${index + 1}`)));
    if (!list.childElementCount) list.append(el("li", { text: "The model has offered no others yet." }));
  }

  async function again(shorter) {
    const names = people.filter(({ input }) => input.checked).map(({ person }) => person);
    const found = await asking.post("/again", { key: row.key, shorter, names }, "The model looks again…");
    if (found) {
      fresh = found.candidates;
      setText(status, fresh.length ? `${count(fresh.length, "new wording")}, at the top of the list.` : "The model found no other words.");
    }
    refresh();
  }

  const asking = new Asking(project, status, () => asks.forEach((one) => setOff(one, asking.running)));
  const asks = [button("Ask for shorter words", () => again(true)), button("Ask anew", () => again(false))];
  const now = row.text ? el("p", {}, "It reads now: ", el("q", { text: row.text })) : el("p", { text: "This place is empty." });
  const body = [now, list];
  if (people.length) body.push(el("fieldset", {}, el("legend", { text: "Who is there, to be named" }), ...people));
  body.push(el("div", { class: "tools" }, ...asks, asking.button), status);
  const dialog = openDialog(`Other wordings, ${clock(row.start_ms)}`, body, [["Close", null]], { wide: true, label: "wordings" });
  asking.isIn(dialog);
  refresh();
  await dialog.answer;
}

/** Questions that were typed and not answered, by row: whoever comes back finds theirs. */
const questions = new Map();

/** A question about the moment; the answer is shown with the stills it is about, and goes nowhere else. */
export async function showAsk(project, row, film) {
  const kept = questions.get(row.key) ?? "";
  const question = el("input", { type: "text", id: "ask-question", autocomplete: "off", maxlength: "500", value: kept });
  const answers = el("ol", { class: "plain answers" });
  const status = el("p", { role: "status" });
  const { captioner } = project.info;

  async function ask() {
    const text = question.value.trim();
    if (!text) return setText(status, "Write a question first.");
    const asked = moment.told(text);
    const found = await asking.post("/ask", { ...moment.asked, question: text }, "Asking…");
    if (found) {
      answers.prepend(el("li", {},
        el("p", { class: "asked", text: asked }), el("p", { text: found.answer }),
        el("div", { class: "stills" }, ...found.stills.map((ms) =>
          el("figure", {},
            el("img", { src: project.media(`/still/${ms}.jpg`), alt: `Still at ${clock(ms)}`, width: "160", height: "90" }),
            el("figcaption", { text: clock(ms) }))))));
      setText(status, `Answer: ${found.answer}`);
      question.value = "";
    }
    question.focus();
  }

  const moment = new AskedMoment(film, row);
  const send = button("Ask", ask, { class: "main" });
  const asking = new Asking(project, status, () => setOff(send, asking.running));
  question.addEventListener("keydown", (event) => event.key === "Enter" && ask());
  const cannot = captioner?.answers_questions === false
    ? el("p", { class: "note", text: `${captioner.name || "The model"} answers no questions: name a video LLM or a model server in "Let the model work".` })
    : null;
  const dialog = openDialog("Ask the film", [
    cannot, el("p", { text: "The answer is for you. Nothing of it enters the description by itself, and a model may be wrong." }),
    moment.node,
    el("label", { for: "ask-question", text: moment.isElsewhere ? "Question about the moment chosen above" : "Question about this moment" }),
    el("div", { class: "tools" }, question, send, asking.button), status, answers,
  ].filter(Boolean), [["Close", null]], { focus: question, wide: true, label: "ask" });
  asking.isIn(dialog);
  await dialog.answer;
  questions.set(row.key, question.value);
}

/** Every text that a cue has had, each of which can be put back. */
export async function showHistory(project, row) {
  const list = el("ol", { class: "plain wordings" });
  const status = el("p", { role: "status" });
  const dialog = openDialog(`Earlier texts, ${clock(row.start_ms)}`, [list, status], [["Close", null]], { wide: true, label: "history" });
  try {
    await project.settled();
    const { history = [] } = await call("GET", project.at(`/rows/${row.key}`));
    list.replaceChildren(...history.map(({ text, author, written_at, at, number }, index) =>
      el("li", {}, el("span", { class: "wording" }, text || "(nothing)",
        el("small", { text: [author, written_at ?? at].filter(Boolean).join(", ") })),
      button("Put this back", async () => {
        if (await project.edit({ op: "restore", key: row.key, number: number ?? index + 1 })) dialog.finish(text);
      }, { "aria-label": `Put this back: ${text}` }))).reverse());
    if (!history.length) setText(status, "It has had no other text.");
  } catch (error) {
    setText(status, told(error));
  }
  await dialog.answer;
}
