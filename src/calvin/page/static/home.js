// The list of projects and films of a folder.

import { Refused, Unreachable, call } from "./api.js";
import { button, byId, checkbox, el, field, setOff, setText } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { events } from "./stream.js";
import { subtitleChoice } from "./subtitles.js";
import { count } from "./words.js";

const say = (text) => setText(byId("live"), text);

async function look() {
  const { projects, films } = await call("GET", "/api/projects");
  byId("projects").replaceChildren(...projects.map(({ pid, title, cues, approved, path_label: label }) =>
    el("li", { class: "card" },
      el("h3", {}, el("a", { href: `/p/${encodeURIComponent(pid)}/`, text: title })),
      el("p", { text: `${count(cues, "cue")}, ${approved} of them approved. ${label ?? ""}` }))));
  byId("films").replaceChildren(...films.map((film) =>
    el("li", { class: "card" }, el("h3", { text: film.name }),
      film.job?.state === "running"
        ? el("div", {}, el("p", { text: film.job.said }), el("progress", { max: "100", value: Math.round(film.job.fraction * 100), "aria-label": "Progress" }),
            button("Stop", () => stop(film)))
        : el("div", {}, film.note ? el("p", { class: "note", text: film.note }) : null, film.job ? el("p", { class: "problem", text: film.job.said }) : null,
            button("Begin a project…", () => begin(film), { "aria-label": `Begin a project of ${film.name}` })))));
  byId("no-projects").hidden = projects.length > 0;
  byId("films-part").hidden = films.length === 0;
  for (const film of films) if (film.job?.state === "running") follow(film.pid, film.job.id);
}

async function stop({ pid, job }) {
  try {
    await call("DELETE", `/api/p/${encodeURIComponent(pid)}/jobs/${encodeURIComponent(job.id)}`);
  } catch (error) {
    if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
    say(error.message);
  }
  await look();
}

const followed = new Set();

/** Shows how far the making of a project is, and opens it when it is there. */
async function follow(pid, id) {
  if (followed.has(pid)) return;
  followed.add(pid);
  let said = "";
  try {
    await events(`/api/p/${encodeURIComponent(pid)}/events`, async ({ type, job }) => {
      if (type !== "job") return;
      if (job.said !== said) say((said = job.said));
      if (job.state === "done") location.assign(`/p/${encodeURIComponent(pid)}/`);
      else await look();
    });
  } catch (error) {
    if (!(error instanceof Refused || error instanceof Unreachable || error instanceof TypeError)) throw error;
    say(error.message);
  }
  followed.delete(pid);
}

async function begin(film) {
  const model = el("input", { type: "text", autocomplete: "off" });
  const empty = checkbox("Without a model: empty places, to be written by hand", false, (on) => (model.disabled = on));
  const status = el("p", { role: "status" });
  const subtitles = subtitleChoice(`/api/p/${encodeURIComponent(film.pid)}/subtitles`, "As calvin finds them: beside the film, in it, or by listening");
  subtitles.load();
  const dialog = openDialog(`Begin a project of ${film.name}`, [
    el("p", { text: "The film is looked through once: shots, dialogue, silences. It is not changed." }),
    el("div", { class: "tools" }, field("Model (empty: the one that comes with calvin)", model, { class: "field wide" })),
    empty, el("h3", { text: "Dialogue" }), ...subtitles.body, status,
  ], [["Cancel", null]], { label: "begin", wide: true });
  const start = button("Begin", async () => {
    setOff(start, true);
    const wish = { fid: film.fid, empty: empty.input.checked };
    if (subtitles.chosen()) wish.subtitles = subtitles.chosen();
    if (!wish.empty && model.value.trim()) wish.model = model.value.trim();
    try {
      const { pid, job } = await call("POST", "/api/projects", wish, { timeout: 120_000 });
      dialog.finish(true);
      if (!job) return location.assign(`/p/${encodeURIComponent(pid)}/`);
      await look();
      follow(pid, job.id ?? job);
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      setOff(start, false);
      setText(status, error.message);
    }
  }, { class: "main" });
  dialog.buttons.prepend(start);
}

look().catch((error) => {
  if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
  say(error.message);
  setText(byId("home-trouble"), error.message);
});
