// The scenes most worth correcting: picked by the work of the project, listed with ways to them, and counted off.

import { Refused, Unreachable, call } from "./api.js";
import { button, el, field, setText } from "./dom.js";
import { say } from "./say.js";
import { clock, count } from "./words.js";

const USUAL = 20;
const NONE = "No scenes are picked yet.";

/** [{key, start_ms, text, why, corrected}], in time order, as the project now stands. */
async function picksOf(project) {
  await project.settled();
  return (await call("GET", project.at("/picks"))).picks;
}

const still = (picks) => picks.filter(({ corrected }) => !corrected).length;

const words = (picks) =>
  picks.length ? `${still(picks)} of ${count(picks.length, "picked scene")} still to be corrected or approved.` : NONE;

/** The step of the loop that comes first. `go(key)` leads to a row. `look` reads anew how things stand. */
export function pickStep(project, run, go) {
  const number = el("input", { type: "number", class: "short", min: "1", max: "500", value: USUAL });
  const standing = el("p", { text: NONE });
  const list = el("ol", { class: "plain picks" });
  // 20 is what is usual, or as many as there are; another number is meant as it is.
  const wish = () => {
    const wanted = Math.round(Number(number.value)) || USUAL;
    return wanted === USUAL ? {} : { count: Math.min(500, Math.max(1, wanted)) };
  };
  const body = [
    el("p", { text: "Picks the scenes that teach the model most: where each main character first appears, then those most unlike them." }),
    el("div", { class: "tools" }, field("How many", number),
      run("Pick scenes", "pick", wish)),
    standing, list,
  ];

  async function look() {
    try {
      const picks = await picksOf(project);
      setText(standing, words(picks));
      list.replaceChildren(...picks.map(({ key, start_ms, text, why, corrected }) =>
        el("li", {},
          button(`Go to ${clock(start_ms)}`, () => go(key)),
          ` ${corrected ? "Corrected" : "Not corrected yet"}: ${text || "(no words yet)"} (${why})`)));
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      setText(standing, error.message);
    }
  }

  return { body, look };
}

/** Leads to the next picked scene after a row that is still to be corrected; after the last one to the first. */
export async function nextPicked(project, current, go) {
  try {
    const picks = await picksOf(project);
    const open = picks.filter(({ corrected }) => !corrected);
    if (!open.length) {
      return say(picks.length ? `All ${picks.length} picked scenes are corrected or approved.` : `${NONE} "Let the model work" picks them.`);
    }
    const at = project.byKey.get(current)?.start_ms ?? -1;
    const next = open.find(({ key, start_ms }) => start_ms > at && key !== current) ?? open[0];
    go(next.key);
    return say(`${words(picks)} ${next.why}.`);
  } catch (error) {
    if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
    return say(error.message);
  }
}
