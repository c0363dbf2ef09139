// The film, and everything that is heard: the cue in the mix, the gap, the voice alone, a recording.

import { Refused, Unreachable, call, fetchSound } from "./api.js";
import { button, byId, setText } from "./dom.js";
import { storedOrHeld } from "./held.js";
import { say } from "./say.js";
import { clock, seconds } from "./words.js";

const BEFORE_MS = 2000;
const AFTER_MS = 1000;

export class Film {
  /** Gains of description and film in what is heard, 1 being what `calvin mix` does; and whether tones frame a cue. */
  levels = { ad: 1, film: 1, tones: false };
  #audio = new Audio();
  #heard = "";
  #turn = 0;

  constructor(project, jobs) {
    this.project = project;
    this.jobs = jobs;
    this.video = byId("video");
    this.note = byId("film-note");
    this.#audio.addEventListener("ended", () => this.stop());
    this.#audio.addEventListener("timeupdate", () => this.#follow());
    this.video.addEventListener("error", () => this.#cannotPlay());
    project.on("info", (info) => this.#update(info));
  }

  get playhead() {
    return Math.round(this.video.currentTime * 1000);
  }

  /** Without a film that plays the playhead would be at its beginning, which nobody has chosen. */
  get hasPlayhead() {
    return !this.video.hidden && this.video.readyState > 0;
  }

  noPlayhead = "The film is not playing here, so there is no playhead: type the time into the cue instead.";

  #update({ film }) {
    const plays = film.state === "playable" || film.state === "proxy-ready";
    this.video.hidden = !plays;
    if (plays && this.video.dataset.url !== film.url + film.state) {
      this.video.dataset.url = film.url + film.state;
      this.video.src = film.url;
    }
    this.note.replaceChildren();
    if (plays) return;
    const why = { "needs-proxy": "No browser plays this file as it is.", gone: "The film is gone." };
    this.note.textContent = film.why || why[film.state] || "The film cannot be played.";
    if (film.state !== "needs-proxy") return;
    this.note.append(" ", button("Make a small copy that plays", () => this.jobs.start("proxy")));
  }

  #cannotPlay() {
    if (!this.video.getAttribute("src")) return;
    this.note.textContent = "This browser does not play the film. What you hear of cues and gaps does not need it. ";
    this.note.append(button("Make a small copy that plays", () => this.jobs.start("proxy")));
  }

  seek(ms) {
    if (!this.video.hidden) this.video.currentTime = ms / 1000;
  }

  show(row) {
    this.stop();
    this.video.pause();
    this.seek(row.start_ms);
    say(`The film is at ${clock(row.start_ms)}.`);
  }

  async playFrom(row) {
    this.stop();
    if (!this.video.paused) {
      this.video.pause();
      say(`Paused at ${clock(this.playhead)}.`);
      return;
    }
    if (this.video.hidden) {
      say(this.note.textContent || "The film cannot be played.");
      return;
    }
    this.seek(Math.max(0, row.start_ms - BEFORE_MS));
    try {
      await this.video.play();
    } catch {
      say("The browser did not let the film play: press its play button once.");
    }
  }

  /** kind: "mix", "gap", "voice" or "recording". The same again stops it. */
  async hear(kind, row) {
    const name = `${kind} ${row.key}`;
    if (this.#heard === name) {
      this.stop();
      return;
    }
    this.stop();
    const turn = ++this.#turn;
    this.#heard = name;
    this.url = null;
    try {
      const held = await storedOrHeld(this.project, this.jobs);
      const older = held && this.project.isUnsent(row.key);
      let now = this.project.byKey.get(row.key) ?? row;
      if (turn !== this.#turn) return;
      if (!held && ["mix", "voice"].includes(kind) && !now.recorded) now = await this.#speak(now);
      if (turn !== this.#turn || !now) return;
      const [path, wanted] = this.#path(kind, now);
      const { blob, filmMs } = await this.#onDisk(path, held);
      if (turn !== this.#turn) return;
      if (older) say(`${held} What you typed is not stored yet: you hear the cue as it was before.`);
      const from = filmMs ?? wanted;
      this.#audio.src = URL.createObjectURL(blob);
      this.#with = { row: now, from, film: kind === "mix" || kind === "gap" };
      if (this.#with.film && !this.video.hidden) this.#run(from);
      await this.#audio.play();
    } catch (error) {
      if (turn !== this.#turn) return;
      this.stop();
      if (!(error instanceof Refused || error instanceof Unreachable || error instanceof DOMException)) throw error;
      say(error instanceof DOMException ? "The browser did not let it play: press the button again." : error.message);
    }
  }

  #with = null;

  /** A sound of what is stored; where there is none, and nothing can be spoken now, why. */
  async #onDisk(path, held) {
    try {
      return await fetchSound(path);
    } catch (error) {
      if (!held || !(error instanceof Refused)) throw error;
      throw new Unreachable(`${held} This has not been spoken yet as it reads: hear it when that has ended.`);
    }
  }

  async #speak(row) {
    if (!row.cue || !row.text.trim()) {
      say("There are no words to speak yet.");
      this.stop();
      return null;
    }
    const spoken = await call("POST", this.project.at("/speak"), { key: row.key }, { timeout: 120_000 });
    const left = spoken.room_ms - spoken.speech_ms;
    const words = left >= 0 ? `${seconds(left)} left` : `${seconds(left)} too long`;
    setText(byId("shown-message"), `Spoken in ${seconds(spoken.speech_ms)}, ${row.extended ? "the film pauses" : words}.`);
    this.url = spoken.url;
    return { ...row, speech_ms: spoken.speech_ms };
  }

  #path(kind, row) {
    const { ad, film, tones } = this.levels;
    const levels = `ad=${ad}&film=${film}&tones=${tones ? 1 : 0}`;
    if (kind === "voice" && row.recorded) return [this.project.media(`/recording/${row.cue}.wav?v=${row.version}`), 0];
    if (kind === "voice") return [this.url ?? this.project.media(`/cue/${row.cue}/voice.wav?v=${row.version}`), 0];
    if (kind === "recording") return [this.project.media(`/recording/${row.cue}.wav?v=${row.version}`), 0];
    if (kind === "gap") {
      const [start, end] = this.gapOf(row);
      return [this.project.media(`/gap/${start}-${end}.wav?${levels}`), start];
    }
    const from = Math.max(0, row.start_ms - BEFORE_MS);
    const to = Math.min(this.project.info.duration_ms, Math.max(row.end_ms, row.start_ms + row.speech_ms) + AFTER_MS);
    return [this.project.media(`/cue/${row.cue}/mix.wav?from_ms=${from}&to_ms=${Math.max(to, from + 1)}&${levels}`), from];
  }

  /** [start, end] of the silence that a row lies in; its own time where it lies in none. */
  gapOf(row) {
    const found = (this.project.info.gaps ?? []).find(([start, end]) => start <= row.start_ms && row.start_ms < end);
    return found ?? [row.start_ms, Math.max(row.end_ms, row.start_ms + 1)];
  }

  // The picture runs along with what is heard, silent; where the film pauses for a cue, so does the picture.

  #run(from) {
    this.wasMuted = this.video.muted;
    this.video.muted = true;
    this.video.currentTime = from / 1000;
    this.video.play().catch(() => {});
  }

  #follow() {
    if (!this.#with?.film || this.video.hidden || !this.#with.row.extended) return;
    const at = this.#audio.currentTime * 1000;
    const begins = this.#with.row.start_ms - this.#with.from;
    const speaking = at >= begins && at < begins + this.#with.row.speech_ms;
    if (speaking && !this.video.paused) this.video.pause();
    else if (!speaking && this.video.paused) this.video.play().catch(() => {});
  }

  /** The picture runs without sound while somebody records. */
  playSilent(from) {
    this.#run(from);
    this.silent = true;
  }

  stopSilent() {
    if (!this.silent) return;
    this.silent = false;
    this.video.pause();
    this.video.muted = this.wasMuted ?? false;
  }

  get isHeard() {
    return Boolean(this.#heard);
  }

  stop() {
    this.#turn += 1;
    this.#heard = "";
    const address = this.#audio.src;
    this.#audio.pause();
    if (address.startsWith("blob:")) URL.revokeObjectURL(address);
    this.#audio.removeAttribute("src");
    if (this.#with?.film && !this.video.hidden) {
      this.video.pause();
      this.video.muted = this.wasMuted ?? false;
    }
    this.#with = null;
  }
}
