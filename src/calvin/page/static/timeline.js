// The timeline: an extra for those who see it. Everything that can be done here can be done in the list by name.
// Drawn on a canvas by these lines alone: no library of the field lets one move and trim cues against shots and gaps
// without as many lines around it, and each would be more code to ship and check than this.

import { Refused, Unreachable, call } from "./api.js";
import { byId } from "./dom.js";
import { clock } from "./words.js";

const EDGE_PX = 7;
const SNAP_PX = 8;
const LANES = { wave: [0, 46], dialogue: [50, 68], cues: [74, 112], ruler: [116, 132] };
const HEIGHT = 134;
const SHORTEST_MS = 100;

export class Timeline {
  #peaks = null;
  #drag = null;
  #planned = false;
  from = 0;
  span = 30_000;

  constructor(project, film, go) {
    Object.assign(this, { project, film, go });
    this.canvas = byId("timeline");
    this.panel = byId("timeline-panel");
    this.context = this.canvas.getContext("2d");
    const redraw = () => this.plan();
    for (const type of ["rows", "info"]) project.on(type, redraw);
    for (const type of ["timeupdate", "seeked", "play"]) film.video.addEventListener(type, redraw);
    this.panel.addEventListener("toggle", () => this.#opened());
    new ResizeObserver(redraw).observe(this.canvas);
    for (const media of ["(prefers-color-scheme: dark)", "(forced-colors: active)"])
      matchMedia(media).addEventListener("change", redraw);
    this.canvas.addEventListener("pointerdown", (event) => this.#down(event));
    this.canvas.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays in the row
    this.canvas.addEventListener("pointermove", (event) => this.#move(event));
    this.canvas.addEventListener("pointerup", (event) => this.#up(event));
    this.canvas.addEventListener("pointercancel", () => this.#cancel());
    this.canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#cancel());
    byId("zoom-in").addEventListener("click", () => this.zoom(0.5));
    byId("zoom-out").addEventListener("click", () => this.zoom(2));
    byId("zoom-all").addEventListener("click", () => this.#view(0, this.length));
  }

  get length() {
    return Math.max(this.project.info?.duration_ms ?? 0, 1000);
  }

  async #opened() {
    this.plan();
    if (!this.panel.open || this.#peaks) return;
    try {
      this.#peaks = await call("GET", this.project.at("/peaks?per_second=20"), undefined, { timeout: 120_000 });
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
    }
    this.plan();
  }

  // What is in view

  #view(from, span) {
    this.span = Math.min(Math.max(span, 2000), this.length);
    this.from = Math.min(Math.max(from, 0), this.length - this.span);
    this.plan();
  }

  zoom(factor, at = this.from + this.span / 2) {
    const span = Math.min(Math.max(this.span * factor, 2000), this.length);
    this.#view(at - ((at - this.from) / this.span) * span, span);
  }

  /** Brings a row into view. */
  follow(row) {
    if (!row || this.#drag) return;
    this.current = row.key;
    if (row.start_ms < this.from || row.end_ms > this.from + this.span) this.#view(row.start_ms - this.span / 4, this.span);
    else this.plan();
  }

  #x(ms) {
    return ((ms - this.from) / this.span) * this.canvas.clientWidth;
  }

  #ms(x) {
    return this.from + (x / this.canvas.clientWidth) * this.span;
  }

  // Drawing

  plan() {
    if (this.#planned || !this.panel.open) return;
    this.#planned = true;
    requestAnimationFrame(() => {
      this.#planned = false;
      if (this.project.info) this.#draw();
    });
  }

  #draw() {
    const { canvas, context } = this;
    const [width, ratio] = [canvas.clientWidth, devicePixelRatio];
    if (!width) return;
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(HEIGHT * ratio)];
    context.scale(ratio, ratio);
    const style = getComputedStyle(canvas);
    this.colours = (name) => style.getPropertyValue(`--${name}`).trim() || style.color;
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    this.#drawGaps();
    this.#drawWave();
    this.#drawShots();
    this.#drawDialogue();
    for (const row of this.project.rows) this.#drawRow(row);
    this.#drawRuler();
    this.#line(this.film.playhead, "line-playhead", 0, HEIGHT, 2);
  }

  #inView(start, end) {
    return end >= this.from && start <= this.from + this.span;
  }

  #box(start, end, [top, bottom], fill, stroke, dashed = false) {
    const [left, right] = [this.#x(start), this.#x(end)];
    this.context.fillStyle = this.colours(fill);
    this.context.fillRect(left, top, Math.max(1, right - left), bottom - top);
    if (!stroke) return;
    this.context.strokeStyle = this.colours(stroke);
    this.context.setLineDash(dashed ? [4, 3] : []);
    this.context.strokeRect(left + 0.5, top + 0.5, Math.max(1, right - left - 1), bottom - top - 1);
    this.context.setLineDash([]);
  }

  #line(ms, colour, top, bottom, width = 1) {
    this.context.fillStyle = this.colours(colour);
    this.context.fillRect(Math.round(this.#x(ms)), top, width, bottom - top);
  }

  #label(text, start, end, [top, bottom], colour) {
    const [left, right] = [Math.max(this.#x(start), 0) + 4, this.#x(end) - 3];
    if (right - left < 14) return;
    this.context.save();
    this.context.beginPath();
    this.context.rect(left, top, right - left, bottom - top);
    this.context.clip();
    this.context.fillStyle = this.colours(colour);
    this.context.fillText(text, left, (top + bottom) / 2 + 0.5);
    this.context.restore();
  }

  #drawGaps() {
    for (const [start, end] of this.project.info.gaps ?? [])
      if (this.#inView(start, end)) this.#box(start, end, [0, LANES.cues[1]], "fill-gap");
  }

  #drawWave() {
    if (!this.#peaks) return;
    const { per_second: rate, peaks } = this.#peaks;
    const [top, bottom] = LANES.wave;
    this.context.fillStyle = this.colours("line-wave");
    for (let x = 0; x < this.canvas.clientWidth; x += 1) {
      const first = Math.floor((this.#ms(x) / 1000) * rate);
      const last = Math.max(first, Math.floor((this.#ms(x + 1) / 1000) * rate));
      let peak = 0;
      for (let index = first; index <= last; index += 1) peak = Math.max(peak, peaks[index] ?? 0);
      const height = Math.max(1, (peak / 255) * (bottom - top));
      this.context.fillRect(x, (top + bottom - height) / 2, 1, height);
    }
  }

  #drawShots() {
    for (const [start] of this.project.info.shots ?? [])
      if (this.#inView(start, start)) this.#line(start, "line-shot", 0, LANES.cues[1]);
  }

  #drawDialogue() {
    for (const { start_ms: start, end_ms: end, text } of this.project.info.dialogue ?? []) {
      if (!this.#inView(start, end)) continue;
      this.#box(start, end, LANES.dialogue, "fill-dialogue", "line-dialogue");
      this.#label(text || "dialogue", start, end, LANES.dialogue, "ink");
    }
  }

  #drawRow(row) {
    const { start_ms: start, end_ms: end } = this.#drag?.key === row.key ? this.#drag : row;
    if (!this.#inView(start, end)) return;
    const now = row.key === this.current;
    this.#box(start, end, LANES.cues, now ? "fill-now" : row.cue ? "fill-cue" : "fill-gap", "line-cue", !row.cue);
    this.#label(row.cue ? this.project.textOf(row.key) : "empty", start, end, LANES.cues, now ? "ink-now" : "ink");
    // A cue whose words take longer than it stands: the rest is drawn as a line, so that it shows where it runs on.
    if (row.cue && start + row.speech_ms > end)
      this.#box(end, start + row.speech_ms, [LANES.cues[1] - 6, LANES.cues[1]], "line-cue");
  }

  #drawRuler() {
    const steps = [500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000];
    const step = steps.find((ms) => (ms / this.span) * this.canvas.clientWidth > 70) ?? 3_600_000;
    for (let at = Math.ceil(this.from / step) * step; at <= this.from + this.span; at += step) {
      this.#line(at, "ink", LANES.ruler[0] - 3, LANES.ruler[0]);
      this.#label(clock(at), at - 4 * (this.span / this.canvas.clientWidth), at + step, LANES.ruler, "ink");
    }
  }

  // The hand

  /** {row, part} under a point: part "start", "end" or "body"; null where no row is. */
  #hit(x, y) {
    if (y < LANES.cues[0] - 4 || y > LANES.cues[1] + 4) return null;
    const rows = this.project.rows.filter((row) => x >= this.#x(row.start_ms) - EDGE_PX && x <= this.#x(row.end_ms) + EDGE_PX);
    const row = rows.find(({ key }) => key === this.current) ?? rows.at(-1);
    if (!row) return null;
    const [left, right] = [this.#x(row.start_ms), this.#x(row.end_ms)];
    const near = Math.min(EDGE_PX, (right - left) / 3);
    const part = x - left < near ? "start" : right - x < near ? "end" : "body";
    return { row, part };
  }

  /** The time nearest to `ms` where something begins or ends, if it is near enough; otherwise `ms`. */
  #snapped(ms, key) {
    const times = [this.film.playhead, 0, this.length];
    for (const [start, end] of [...(this.project.info.shots ?? []), ...(this.project.info.gaps ?? [])]) times.push(start, end);
    for (const row of this.project.rows) if (row.key !== key) times.push(row.start_ms, row.end_ms);
    const near = (SNAP_PX / this.canvas.clientWidth) * this.span;
    const best = times.reduce((a, b) => (Math.abs(b - ms) < Math.abs(a - ms) ? b : a));
    return Math.abs(best - ms) <= near ? best : Math.round(ms);
  }

  #down(event) {
    if (event.button !== 0) return;
    const hit = this.#hit(event.offsetX, event.offsetY);
    if (!hit) {
      this.film.stop();
      this.film.seek(this.#ms(event.offsetX));
      this.plan();
      return;
    }
    this.go(hit.row.key);
    this.current = hit.row.key;
    this.plan();
    if (!hit.row.cue) return;
    this.canvas.setPointerCapture(event.pointerId);
    const { key, start_ms, end_ms } = hit.row;
    this.#drag = { key, part: hit.part, start_ms, end_ms, first: { start_ms, end_ms }, x: event.offsetX };
  }

  #move(event) {
    const drag = this.#drag;
    if (!drag) {
      const part = this.#hit(event.offsetX, event.offsetY)?.part;
      this.canvas.style.cursor = part === "body" ? "grab" : part ? "ew-resize" : "default";
      return;
    }
    const by = ((event.offsetX - drag.x) / this.canvas.clientWidth) * this.span;
    const { start_ms: start, end_ms: end } = drag.first;
    if (drag.part === "start") drag.start_ms = Math.min(this.#snapped(start + by, drag.key), end - SHORTEST_MS);
    else if (drag.part === "end") drag.end_ms = Math.max(this.#snapped(end + by, drag.key), start + SHORTEST_MS);
    else {
      const begin = this.#snapped(start + by, drag.key);
      const stop = this.#snapped(end + by, drag.key);
      // Whichever side has something to snap to; the beginning, where both have.
      const moved = begin !== Math.round(start + by) ? begin - start : stop - end;
      [drag.start_ms, drag.end_ms] = [Math.max(0, start + moved), Math.max(0, start + moved) + end - start];
    }
    this.plan();
  }

  #up() {
    const drag = this.#drag;
    this.#drag = null;
    this.plan();
    if (!drag || (drag.start_ms === drag.first.start_ms && drag.end_ms === drag.first.end_ms)) return;
    this.project.edit({ op: "times", key: drag.key, start_ms: drag.start_ms, end_ms: drag.end_ms });
  }

  #cancel() {
    this.#drag = null;
    this.plan();
  }

  #wheel(event) {
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    if (event.ctrlKey) this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.#ms(event.offsetX));
    else this.#view(this.from + (event.deltaY || event.deltaX) * (this.span / 1000), this.span);
  }
}
