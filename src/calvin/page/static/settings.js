// How the page speaks and sounds; kept while it is open, and nowhere else.

import { Refused, Unreachable, call } from "./api.js";
import { button, checkbox, choice, el, field, setText } from "./dom.js";
import { saveLog } from "./deliver.js";
import { openDialog } from "./dialogs.js";
import { options } from "./keys.js";
import { speaker } from "./say.js";

const PACES = [["0", "At once"], ["0.3", "After a moment"], ["1", "After one second"], ["2.5", "After two and a half seconds"]];

export function showSettings(project) {
  const pace = choice(PACES, String(speaker.pace), (value) => (speaker.pace = Number(value)));
  const mark = checkbox("The question mark opens the list of keys", options.questionMark, (on) => (options.questionMark = on));
  const status = el("p", { role: "status" });
  const log = checkbox("Keep a log of edit times and edit distances in this project", Boolean(project.info.settings?.log), async (on) => {
    try {
      await call("POST", project.at("/log"), { on });
      (project.info.settings ??= {}).log = on;
      setText(status, on ? "From now on the log is kept." : "The log is off.");
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      log.input.checked = !on;
      setText(status, error.message);
    }
  });
  const csv = button("Save the log as CSV", async () => {
    try {
      await saveLog(project);
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      setText(status, error.message);
    }
  });
  const section = (title, ...parts) => el("section", { class: "step" }, el("h3", { text: title }), ...parts);
  openDialog("Settings", [
    section("Screen reader", el("div", { class: "tools" }, field("Say what happened", pace)), mark),
    section("Log for studies", el("p", { text: "For each cue: how long it was edited, and how far its text is from the draft. It stays on this machine." }),
      log, el("div", { class: "tools" }, csv)),
    status,
  ], [["Close", null, true]], { label: "settings" });
}
