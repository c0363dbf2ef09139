// Who is in the film: proposals to accept or not, and portraits taken from a still by pointing at a face or by numbers.

import { Refused, Unreachable, call } from "./api.js";
import { button, el, field, setText } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { clock, count, exactTime, parseTime } from "./words.js";

const told = (error) => {
  if (error instanceof Refused || error instanceof Unreachable) return error.message;
  throw error;
};

export async function showCast(project, jobs, film) {
  const people = el("ul", { class: "plain" });
  const proposals = el("ol", { class: "plain wordings" });
  const status = el("p", { role: "status" });
  const portrait = portraitForm(project, film, status, () => look());
  const picture = pictureForm(project, status, () => look());

  async function post(body) {
    try {
      await project.settled();
      const answer = await call("POST", project.at("/cast"), body, { timeout: 120_000 });
      setText(status, answer?.said ?? "Kept.");
      await look();
      await project.reloadInfo();
    } catch (error) {
      setText(status, told(error));
    }
  }

  function proposed({ id, name, why, stills = [] }) {
    const input = el("input", { type: "text", value: name ?? "", autocomplete: "off" });
    return el("li", {},
      el("div", { class: "stills" }, ...stills.slice(0, 4).map((ms) =>
        el("figure", {},
          el("img", { src: project.media(`/still/${ms}.jpg`), alt: `Still at ${clock(ms)}`, width: "160", height: "90" }),
          el("figcaption", {}, button(`${clock(ms)} shows them`, () =>
            post({ op: "portrait", name: input.value.trim() || name, at_ms: ms }), { "aria-label": `The still at ${clock(ms)} shows ${name}` }))))),
      el("p", { text: why ?? "" }),
      el("div", { class: "tools" }, field("Name", input),
        button("Accept", () => post({ op: "accept", id, name: input.value.trim() }), { "aria-label": `Accept ${name}` }),
        button("Reject", () => post({ op: "reject", id }), { "aria-label": `Reject ${name}` })));
  }

  async function look() {
    try {
      const cast = await call("GET", project.at("/cast"), undefined, { timeout: 120_000 });
      people.replaceChildren(...(cast.people ?? []).map(({ name, look: looks, portraits, pictures }) =>
        el("li", { text: [name, looks, portraits && count(portraits, "portrait"), pictures && count(pictures, "picture")].filter(Boolean).join(", ") })));
      if (!people.childElementCount) people.append(el("li", { text: "Nobody is known yet." }));
      proposals.replaceChildren(...(cast.proposals ?? []).map(proposed));
      if (!proposals.childElementCount) proposals.append(el("li", { text: "There are no proposals." }));
      if (cast.cannot) setText(status, cast.cannot);
    } catch (error) {
      setText(status, told(error));
    }
  }

  const seek = button("Look for people", async () => {
    if (!(await jobs.start("cast"))) setText(status, document.getElementById("shown-message").textContent);
  });
  const section = (title, ...parts) => el("section", { class: "step" }, el("h3", { text: title }), ...parts);
  const dialog = openDialog("Cast", [
    section("Known", people), section("Proposals", proposals, el("div", { class: "tools" }, seek)),
    section("A portrait from the film", ...portrait), section("A picture from elsewhere", ...picture), status,
  ], [["Close", null, true]], { wide: true, label: "cast" });
  const again = () => look();
  jobs.addEventListener("ended", again);
  dialog.answer.then(() => jobs.removeEventListener("ended", again));
  await look();
}

/** A still, a box around a face (by pointer, or by four numbers), a name. */
function portraitForm(project, film, status, done) {
  const at = el("input", { type: "text", class: "time", value: exactTime(film.playhead) });
  const name = el("input", { type: "text", autocomplete: "off" });
  const sides = ["Left", "Top", "Width", "Height"].map((label, index) => {
    const input = el("input", { type: "number", class: "short", min: "0", max: "100", value: [35, 15, 30, 50][index] });
    input.addEventListener("input", () => draw());
    return field(`${label}, %`, input);
  });
  const numbers = sides.map((side) => side.lastChild);
  const image = el("img", { alt: "", width: "480", height: "270" });
  const box = el("div", { class: "face-box" });
  const frame = el("div", {
    class: "face", tabindex: "0", role: "group",
    "aria-label": "The box around the face: arrow keys move it, with Shift they make it larger and smaller",
  }, image, box);
  frame.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const [left, top, width, height] = numbers.map((input) => Number(input.value));
    if (event.shiftKey) setBox([left, top], [left + Math.max(1, width + by[0]), top + Math.max(1, height + by[1])]);
    else {
      const [x, y] = [Math.min(100 - width, Math.max(0, left + by[0])), Math.min(100 - height, Math.max(0, top + by[1]))];
      setBox([x, y], [x + width, y + height]);
    }
    setText(status, `The box: ${numbers.map((input, index) => `${["left", "top", "width", "height"][index]} ${input.value}`).join(", ")} percent.`);
  });

  function draw() {
    const [left, top, width, height] = numbers.map((input) => `${input.value}%`);
    Object.assign(box.style, { left, top, width, height });
  }

  function load() {
    const ms = parseTime(at.value);
    if (ms === null) return setText(status, "Write the time like 0:01:02.500.");
    image.src = project.media(`/still/${ms}.jpg`);
    image.alt = `Still at ${clock(ms)}`;
  }

  // A click puts the box around the point; drawing with the pointer gives its size too.
  let from = null;
  const point = (event) => {
    const { left, top, width, height } = frame.getBoundingClientRect();
    const within = (value) => Math.min(100, Math.max(0, value * 100));
    return [within((event.clientX - left) / width), within((event.clientY - top) / height)];
  };
  frame.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    from = point(event);
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => from && setBox(from, point(event)));
  frame.addEventListener("pointerup", (event) => {
    const to = point(event);
    const isClick = Math.abs(to[0] - from[0]) + Math.abs(to[1] - from[1]) < 3;
    if (isClick) setBox([to[0] - 10, to[1] - 15], [to[0] + 10, to[1] + 20]);
    from = null;
  });

  function setBox([x1, y1], [x2, y2]) {
    const [left, top] = [Math.max(0, Math.min(x1, x2)), Math.max(0, Math.min(y1, y2))];
    const values = [left, top, Math.min(100, Math.max(x1, x2)) - left, Math.min(100, Math.max(y1, y2)) - top];
    numbers.forEach((input, index) => (input.value = Math.round(values[index])));
    draw();
  }

  const keep = button("Keep as a portrait", async () => {
    const ms = parseTime(at.value);
    if (ms === null || !name.value.trim()) return setText(status, "A portrait needs a time and a name.");
    try {
      const answer = await call("POST", project.at("/cast"), {
        op: "portrait", at_ms: ms, box: numbers.map((input) => Number(input.value) / 100), name: name.value.trim(),
      }, { timeout: 120_000 });
      setText(status, answer?.said ?? `A portrait of ${name.value.trim()} is kept.`);
      done();
    } catch (error) {
      setText(status, told(error));
    }
  });
  load();
  draw();
  return [
    el("div", { class: "tools" }, field("Time", at), button("Show this still", load)), frame,
    el("p", { class: "note", text: "Point at the face, draw a box around it, move the box by the arrow keys, or give it in percent of the picture." }),
    el("div", { class: "tools" }, ...sides, field("Name", name), keep),
  ];
}

const MOST_BYTES = 15 * 2 ** 20;

/** A picture file of somebody, which is decoded, made small and kept beside the cast. */
function pictureForm(project, status, done) {
  const name = el("input", { type: "text", autocomplete: "off" });
  const file = el("input", { type: "file", accept: "image/png,image/jpeg" });
  const keep = button("Keep this picture", async () => {
    const [given] = file.files;
    if (!given || !name.value.trim()) return setText(status, "A picture needs a file and a name.");
    if (!["image/png", "image/jpeg"].includes(given.type)) return setText(status, "This is no PNG or JPEG picture: choose another.");
    if (given.size > MOST_BYTES) return setText(status, "This picture is too large: at most 15 MB are taken.");
    setText(status, "Keeping the picture…");
    try {
      await project.settled();
      const path = `/cast/pictures?name=${encodeURIComponent(name.value.trim())}`;
      const { said } = await call("PUT", project.at(path), given, { type: given.type, timeout: 120_000 });
      await done();
      setText(status, said);
    } catch (error) {
      setText(status, told(error));
    }
    return null;
  });
  return [
    el("div", { class: "tools" }, field("Picture (PNG or JPEG, at most 15 MB)", file), field("Whom it shows", name), keep),
    el("p", { class: "note", text: "It is kept small, as a file beside the cast, and stays on this machine." }),
  ];
}
