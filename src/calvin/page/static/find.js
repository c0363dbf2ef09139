// Find and replace: what would change is shown before it does, and one step takes all of it back.

import { Refused, Unreachable, call } from "./api.js";
import { button, checkbox, el, field, setText } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { clock, count } from "./words.js";

const SHOWN = 200;

export function showFind(project, go, chosen = "") {
  const text = el("input", { type: "text", autocomplete: "off", value: chosen });
  const by = el("input", { type: "text", autocomplete: "off" });
  const status = el("p", { role: "status" });
  const found = el("ol", { class: "matches" });
  const matchCase = checkbox("Match case", false, () => search());
  const whole = checkbox("Whole words", false, () => search());
  let matches = [];
  let turn = 0;

  async function search() {
    const now = ++turn;
    const wanted = text.value;
    if (!wanted) {
      [matches] = [[], found.replaceChildren(), setText(status, "")];
      return;
    }
    try {
      await project.settled();
      const query = new URLSearchParams({ text: wanted, case: matchCase.input.checked, whole: whole.input.checked });
      const answer = await call("GET", project.at(`/find?${query}`));
      if (now !== turn) return;
      matches = answer.matches;
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      setText(status, error.message);
      return;
    }
    const rows = new Set(matches.map(({ key }) => key));
    setText(status, matches.length ? `${count(matches.length, "match", "matches")} in ${count(rows.size, "cue")}.` : "Nothing was found.");
    found.replaceChildren(...matches.slice(0, SHOWN).map(shown));
  }

  function shown({ key, start, end, before, after }) {
    const row = project.byKey.get(key);
    const whole = row?.text ?? "";
    // `before` and `after` are what stands beside the match, where the server sends them.
    const left = before ?? whole.slice(0, start);
    const right = after ?? whole.slice(end);
    return el("li", {},
      button(clock(row?.start_ms ?? 0), () => {
        dialog.finish(null);
        go(key, { start, end });
      }, { "aria-label": `Go to ${clock(row?.start_ms ?? 0)}` }),
      el("span", {}, left.slice(-40), el("mark", { text: whole.slice(start, end) || text.value }), right.slice(0, 40)));
  }

  async function replace(keys) {
    if (!text.value || !matches.length) return setText(status, "Find something first.");
    const op = {
      op: "replace", text: text.value, with: by.value, case: matchCase.input.checked, whole_word: whole.input.checked,
    };
    const outcome = await project.edit(keys ? { ...op, keys } : op);
    const words = outcome ? outcome.said : "Nothing was replaced; the reason is in the last message.";
    await search();
    setText(status, `${words} ${status.textContent}`);
  }

  text.addEventListener("change", search);
  const body = [
    el("div", { class: "tools" }, field("Find", text, { class: "field wide" }), field("Replace by", by, { class: "field wide" }),
      matchCase, whole),
    status, found,
  ];
  const dialog = openDialog("Find and replace", body, [["Close", null]], { focus: text, wide: true, label: "find" });
  dialog.buttons.prepend(
    button("Find", search, { class: "main" }),
    button("Replace in all of them", () => replace()),
    button("Replace in the first", () => replace([matches[0]?.key])),
  );
  for (const input of [text, by]) {
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") search();
    });
  }
  if (chosen) search();
}
