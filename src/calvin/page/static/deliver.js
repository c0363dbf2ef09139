// Delivery: what lint says, voice and mix, every format, the files, and what is left out of the mix and why.

import { Refused, Unreachable, call, fetchBlob } from "./api.js";
import { button, checkbox, choice, el, field, setOff, setText } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { NAMES } from "./jobs.js";
import { clock, count, leftWords } from "./words.js";

const told = (error) => {
  if (error instanceof Refused || error instanceof Unreachable) return error.message;
  throw error;
};

const MOST_SHOWN = 100;

/** What a format is, where its name alone does not say. */
const FORMATS = {
  html: "html (a page that plays the film with its description: a folder beside the project's files)",
  transcript: "transcript (dialogue and description to read, HTML)",
  "transcript-txt": "transcript-txt (the same as plain text)",
  "dapt-recorded": "dapt-recorded (DAPT with the sound of each cue: a folder beside the project's files)",
};

const size = (bytes) => {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1000))} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
};

/** Saves a text or Blob as a file of the user's. */
export function save(name, content) {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type: "text/plain" }));
  const link = el("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export async function showDeliver(project, jobs, go) {
  const lint = el("div", {});
  const files = el("ul", { class: "plain files" });
  const left = el("div", {});
  const status = el("p", { role: "status" });
  const pausing = checkbox("A film that pauses for the cues that need it (extended)", false, () => {});
  const spec = choice([["", "As loud as the film's own sound"], ...(project.info.settings?.specs ?? [])], "");
  const levels = el("section", { hidden: true, "aria-label": "What was measured" });
  const formats = (project.info.settings?.formats ?? ["vtt", "srt", "csv", "json"]).map((name) =>
    Object.assign(checkbox(FORMATS[name] ?? name, name === "vtt", () => {}), { format: name }));
  const buttons = [];
  const run = (words, kind, options = () => ({})) => {
    const made = button(words, async () => {
      setText(status, `${NAMES[kind]}…`);
      if (!(await jobs.start(kind, options()))) setText(status, document.getElementById("shown-message").textContent);
    });
    buttons.push(made);
    return made;
  };
  const chosen = () => ({ formats: formats.filter(({ input }) => input.checked).map(({ format }) => format) });
  const stop = button("Stop", () => jobs.stop());
  const section = (title, ...parts) => el("section", { class: "step" }, el("h3", { text: title }), ...parts);

  const dialog = openDialog("Deliver", [
    section("Checks", lint),
    section("Voice and mix", el("p", { text: voiceWords(project.info.voice) }),
      el("div", { class: "tools" }, run("Speak all cues", "voice"), pausing,
        field("Loudness", spec, { class: "field wide" }),
        run("Mix into the film", "mix", () => ({ extended: pausing.input.checked, spec: spec.value || null }))),
      levels),
    section("Script", el("fieldset", {}, el("legend", { text: "Formats" }), ...formats),
      el("div", { class: "tools" }, run("Write these files", "export", chosen))),
    el("div", { class: "tools" }, status, stop),
    section("Files", files),
    section("Left out of the plain mix", left),
  ], [["Close", null, true]], { wide: true, label: "deliver" });

  /** A button that leads to a row. */
  function place(key, ms) {
    const leave = () => (dialog.finish(null), go(key));
    return button(clock(ms), leave, { "aria-label": `Go to ${clock(ms)}` });
  }

  async function look() {
    try {
      await project.settled();
      const [summary, downloads] = await Promise.all([
        call("GET", project.at("/lint"), undefined, { timeout: 120_000 }), call("GET", project.at("/downloads")),
      ]);
      lint.replaceChildren(...lintWords(summary, place));
      files.replaceChildren(...downloads.map((file, index) =>
        el("li", {}, el("a", { href: file.url ?? project.media(`/download/${file.n ?? index}`), download: file.name, text: file.name }),
          ` ${[file.what, size(file.size)].filter(Boolean).join(", ")}`)));
      if (!downloads.length) files.append(el("li", { text: "Nothing has been written yet." }));
    } catch (error) {
      setText(status, told(error));
    }
    leftOut();
  }

  function leftOut() {
    const rows = project.rows.filter((row) => row.cue && row.text.trim() && !row.said);
    left.replaceChildren(el("p", { text: rows.length ? `${count(rows.length, "cue")}:` : "Nothing is left out." }));
    if (!rows.length) return;
    left.append(el("ul", { class: "plain" }, ...rows.map((row) =>
      el("li", {}, place(row.key, row.start_ms), ` ${row.text} (${row.why || (row.extended ? "the film pauses for it" : "no reason is known")})`))));
  }

  function refresh(event) {
    const running = jobs.running;
    for (const one of buttons) setOff(one, running);
    setOff(stop, !running);
    const words = running ? `${running.said} ${leftWords(running.left_s)}` : jobs.now?.said;
    if (words) setText(status, words.trim());
    if (event?.type === "ended") look();
    showLevels();
  }

  /** What was measured of the last mix, and of one that was not kept, why. */
  function showLevels() {
    if (jobs.now?.kind !== "mix") return;
    const { state, said, result } = jobs.now;
    const words = { done: result?.levels ?? [], failed: [said] }[state] ?? [];
    levels.hidden = !words.length;
    levels.replaceChildren(...(words.length ? [
      el("p", { text: state === "failed" ? "No mix was kept:" : result.spec ? `What ${result.spec} asks for is met. Measured:` : "Measured:" }),
      el("ul", { class: "plain" }, ...words.map((text) => el("li", { text }))),
    ] : []));
  }

  for (const type of ["job", "ended"]) jobs.addEventListener(type, refresh);
  dialog.answer.then(() => ["job", "ended"].forEach((type) => jobs.removeEventListener(type, refresh)));
  refresh();
  await look();
}

function voiceWords(voice) {
  if (voice?.installed) return `The voice is ${voice.name}. Recordings of your own are mixed among the spoken cues.`;
  return "No voice is installed: run `pip install 'calvin-ad[voice]'`. Recordings of your own can be mixed without one.";
}

/** How many of each rule there are, and the findings themselves, each with a way to its cue. */
function lintWords({ errors, warnings, rules, findings }, place) {
  const by = Object.entries(rules).map(([rule, number]) => `${rule} ${number}`).join(", ");
  const head = el("p", { text: `${count(errors, "error")} and ${count(warnings, "warning")}${by && `: ${by}`}.` });
  const list = findings.slice(0, MOST_SHOWN).map(({ cue, start_ms, level, message, suggestion }) =>
    el("li", {}, place(`cue-${cue}`, start_ms), ` ${level === "error" ? "Error" : "Warning"}: ${message} ${suggestion}`));
  const rest = findings.length - list.length;
  if (rest > 0) list.push(el("li", { text: `And ${rest} more.` }));
  return list.length ? [head, el("ul", { class: "plain findings-list" }, ...list)] : [head];
}

/** The log for studies, as a file. */
export async function saveLog(project) {
  save("calvin-edit-log.csv", await fetchBlob(project.at("/log.csv")));
}
