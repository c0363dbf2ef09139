// The listening page: says the descriptions of a film at their places, and lets the film wait where one takes longer.
// A plain script and no module, because browsers load no modules from a folder on disk.
(function () {
  "use strict";

  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const film = find("film");
  const synth = window.speechSynthesis;
  const KEPT = "calvin-listening-page";
  const WORDS_PER_MINUTE = 160;
  const SOON_MS = 60; // two looks at the clock of the film
  const OVER_MS = 500; // a voice may run on as long where the film must not pause
  const usual = { amount: "all", voice: "", rate: 1, volume: 100, under: 40 };
  const wish = { ...usual, ...kept() };

  let cues = []; // those of the amount chosen, in time order
  let next = 0; // which of them comes next
  let saying = null; // {cue, until, stop}: what is being said, and where the film has to wait for it
  let waiting = false; // the film stands still for a description
  let onward = false; // it goes on after one that was asked for while it played
  let broken = null; // what the listener's pause broke off: it is said again, however late
  let fading = 0;

  // What the listener chose

  function kept() {
    try {
      const found = JSON.parse(localStorage.getItem(KEPT)) || {};
      const same = Object.keys(usual).filter((name) => typeof found[name] === typeof usual[name]);
      return Object.fromEntries(same.map((name) => [name, found[name]]));
    } catch {
      return {}; // a browser that keeps nothing for pages on disk
    }
  }

  function keep() {
    try {
      localStorage.setItem(KEPT, JSON.stringify(wish));
    } catch {
      // then they last as long as the page is open
    }
  }

  function show() {
    const amount = document.querySelector(`input[name="amount"][value="${CSS.escape(wish.amount)}"]`);
    (amount || document.querySelector('input[name="amount"]')).checked = true;
    wish.amount = document.querySelector('input[name="amount"]:checked').value;
    for (const name of ["rate", "volume", "under"]) {
      find(name).value = wish[name];
      wish[name] = Number(find(name).value);
      const words = name === "rate" ? `${wish.rate.toFixed(1)} times` : `${wish[name]} percent`;
      find(`${name}-said`).textContent = words;
      find(name).setAttribute("aria-valuetext", words);
    }
    const wanted = { all: () => true, main: (cue) => !cue.extended, text: (cue) => cue.kind !== "picture", none: () => false };
    cues = data.cues.filter(wanted[wish.amount]);
    lookFrom(ms());
  }

  function changed(event) {
    const from = event.target;
    if (from.name === "amount") wish.amount = from.value;
    else if (from.id === "voice") wish.voice = from.value;
    else wish[from.id] = Number(from.value);
    keep();
    show();
    if (saying && saying.change) saying.change();
    if (from.name === "amount" && wish.amount === "none") stop(true);
  }

  // Voices

  function voices() {
    const all = synth ? synth.getVoices() : [];
    const own = language(data.language);
    const rank = (voice) => [language(voice.lang) !== own, !voice.localService, !voice.default];
    return [...all].sort((a, b) => {
      const [one, other] = [rank(a), rank(b)];
      const at = one.findIndex((value, index) => value !== other[index]);
      return at < 0 ? a.name.localeCompare(b.name) : Number(one[at]) - Number(other[at]);
    });
  }

  const language = (tag) => String(tag).toLowerCase().split(/[-_]/)[0];

  function listVoices() {
    const found = voices();
    const own = found.filter((voice) => language(voice.lang) === language(data.language));
    const others = found.filter((voice) => !own.includes(voice));
    const select = find("voice");
    select.replaceChildren();
    if (data.cues.some((cue) => cue.clip)) select.append(new Option(`With the film: ${data.voice}`, "clip"));
    const group = (label, list) => {
      if (!list.length) return;
      const under = document.createElement("optgroup");
      under.label = label;
      under.append(...list.map((voice) => new Option(`${voice.name} (${voice.lang})`, `system:${voice.voiceURI}`)));
      select.append(under);
    };
    group("Voices of this computer", own);
    group("Its voices in other languages", others);
    select.append(new Option("Your screen reader", "reader"), new Option("None: read it below the film", "none"));
    const values = [...select.options].map((option) => option.value);
    const first = own.length || values[0] === "clip" ? values[0] : "reader";
    select.value = values.includes(wish.voice) ? wish.voice : first;
  }

  // Each way of saying a cue calls `done` when it has ended, unless it was stopped before.

  function expectedMs(text) {
    const words = Math.max(text.split(/\s+/).length, text.length / 6);
    return Math.max(750, (words * 60000) / WORDS_PER_MINUTE / wish.rate);
  }

  function lastingMs(cue) {
    return cue.clip && find("voice").value === "clip" ? cue.ms / wish.rate : expectedMs(cue.text);
  }

  function speak(cue, done) {
    const choice = find("voice").value;
    if (choice === "clip" && cue.clip) return playClip(cue, done);
    const voice = voices().find((one) => (choice === "clip" ? language(one.lang) === language(data.language) : `system:${one.voiceURI}` === choice));
    if (voice) return utter(cue, voice, done);
    return read(cue, choice !== "none", done);
  }

  const loaded = new Map(); // sounds by file: the one that is heard and the one that comes

  function sound(file) {
    if (!loaded.has(file)) {
      const audio = new Audio();
      audio.preload = "auto";
      audio.src = file;
      loaded.set(file, audio);
      if (loaded.size > 3) loaded.delete(loaded.keys().next().value);
    }
    return loaded.get(file);
  }

  function playClip(cue, done) {
    const audio = sound(cue.clip);
    const set = () => {
      audio.preservesPitch = true;
      audio.playbackRate = wish.rate;
      audio.volume = wish.volume / 100;
    };
    let ended = false;
    let other = null; // another way of saying it, where the sound cannot be played
    const failed = () => {
      if (ended || other) return;
      trouble(`The sound ${cue.clip} cannot be played, so another voice reads these descriptions.`);
      other = read(cue, true, done);
    };
    audio.onended = () => {
      if (!ended) done();
    };
    audio.onerror = failed;
    audio.currentTime = 0;
    set();
    audio.play().catch(failed);
    return {
      change: set,
      stop() {
        ended = true;
        audio.onended = audio.onerror = null;
        audio.pause();
        if (other) other.stop();
      },
    };
  }

  function utter(cue, voice, done) {
    // A sentence at a time: some voices fall silent in texts that last a quarter of a minute.
    const parts = cue.text.match(/[^.!?…]+[.!?…]+["”»')\]]*\s*|[^.!?…]+$/g) || [cue.text];
    let stopped = false;
    let watch = 0;
    const say = (index) => {
      if (stopped) return;
      clearTimeout(watch);
      if (index === parts.length) return done();
      const words = new SpeechSynthesisUtterance(parts[index].trim());
      words.voice = voice;
      words.lang = voice.lang;
      words.rate = wish.rate;
      words.volume = wish.volume / 100;
      words.onend = words.onerror = () => say(index + 1);
      // A voice that never answers must not hold the film for ever.
      watch = setTimeout(() => say(index + 1), 4000 + 3 * expectedMs(parts[index]));
      synth.speak(words);
    };
    synth.cancel();
    say(0);
    return {
      stop() {
        stopped = true;
        clearTimeout(watch);
        synth.cancel();
      },
    };
  }

  function read(cue, aloud, done) {
    if (aloud) announce(cue.text);
    const timer = setTimeout(done, expectedMs(cue.text) + 300);
    return { stop: () => clearTimeout(timer) };
  }

  function announce(text) {
    find("announced").textContent = "";
    // Screen readers pass over a text that is put where the same one was.
    setTimeout(() => {
      find("announced").textContent = text;
    }, 30);
  }

  // The film and its descriptions

  const ms = () => Math.round(film.currentTime * 1000);

  function lookFrom(at) {
    const found = cues.findIndex((cue) => cue.start >= at - SOON_MS);
    next = found < 0 ? cues.length : found;
  }

  function roomEnds(cue) {
    if (data.dialogue.some(([start, end]) => start <= cue.start && cue.start < end)) return cue.start;
    const line = data.dialogue.find(([start]) => start > cue.start);
    const following = cues.find((one) => one.start > cue.start);
    return Math.min(line ? line[0] : Infinity, following ? following.start : Infinity);
  }

  const overMs = (cue) => lastingMs(cue) - (roomEnds(cue) - cue.start) / film.playbackRate;

  function waitsAt(cue) {
    if (wish.amount === "main") return Infinity;
    const room = roomEnds(cue);
    const tooLong = cue.extended || overMs(cue) > 0;
    return tooLong ? Math.max(cue.start, Math.min(room, cue.end)) : room;
  }

  function begin(cue) {
    find("said").textContent = cue.text;
    broken = null;
    saying = { cue, until: waitsAt(cue) };
    fade(wish.under / 100);
    saying = Object.assign(saying, speak(cue, finished));
    const coming = cues[next];
    if (coming && coming.clip && find("voice").value === "clip") sound(coming.clip);
  }

  function finished() {
    saying = null;
    fade(1);
    const goesOn = waiting || onward;
    waiting = onward = false;
    if (goesOn && !film.ended) film.play();
    lookAtEnd();
  }

  function stop(goesOn) {
    const waited = waiting || onward;
    waiting = onward = false;
    if (saying) saying.stop();
    saying = null;
    find("announced").textContent = "";
    fade(1);
    if (goesOn && waited && !film.ended) film.play();
  }

  function look() {
    if (film.paused || film.seeking) return;
    const at = ms();
    if (saying) {
      if (at >= saying.until - SOON_MS / 2) {
        waiting = true;
        film.pause();
      }
      return;
    }
    while (next < cues.length && cues[next].start <= at + SOON_MS / 2) {
      const cue = cues[next];
      next += 1;
      if (wish.amount === "main" && overMs(cue) > OVER_MS) continue;
      // One that could not be begun in time, because another was being said, is left out rather than said too late.
      if (cue === broken || at <= Math.max(cue.end, cue.start + 1500)) {
        begin(cue);
        return look();
      }
    }
  }

  // What is to be said where the film ends is said after it.
  function lookAtEnd() {
    if (film.ended && !saying && next < cues.length) begin(cues[next++]);
  }

  // The film's own volume is the listener's: what was set by hand meanwhile stays.
  const level = { before: film.volume, set: film.volume };

  function fade(share) {
    clearInterval(fading);
    if (Math.abs(film.volume - level.set) > 0.001) level.before = level.set = film.volume;
    const from = film.volume;
    const to = level.before * share;
    let step = 0;
    fading = setInterval(() => {
      step += 1;
      film.volume = level.set = Math.min(1, Math.max(0, from + ((to - from) * step) / 6));
      level.set = film.volume;
      if (step === 6) clearInterval(fading);
    }, 30);
  }

  film.addEventListener("play", () => {
    find("play").textContent = "Pause";
    told("");
    // Who starts the film while it waits does not want to hear the rest. The event may be of an earlier start.
    if ((waiting || onward) && !film.paused) stop(false);
  });
  film.addEventListener("pause", () => {
    if (waiting || onward || !film.paused) return;
    find("play").textContent = "Play";
    if (!film.ended) rest();
  });
  film.addEventListener("ended", lookAtEnd);
  film.addEventListener("seeking", () => {
    const waited = waiting || onward;
    stop(false);
    lookFrom(ms());
    if (waited) film.play();
  });
  film.addEventListener("seeked", () => lookFrom(ms()));
  film.addEventListener("timeupdate", look);
  film.addEventListener("error", () => {
    trouble("This browser cannot play the film that lies beside this page: the transcript has its descriptions.");
  });
  setInterval(look, SOON_MS / 2);

  // What a pause of the listener's breaks off is said again from its beginning.
  function rest() {
    const cue = saying && saying.cue;
    stop(false);
    if (!cue || !cues.includes(cue)) return;
    next = cues.indexOf(cue);
    broken = cue;
  }

  function told(text, words = "") {
    const said = document.createElement("span");
    said.lang = data.language;
    said.textContent = words;
    find("told").replaceChildren(text, " ", said);
  }

  function trouble(text) {
    find("trouble").hidden = false;
    find("trouble").textContent = text;
  }

  function clock(at) {
    const seconds = Math.floor(at / 1000);
    const two = (number) => String(number).padStart(2, "0");
    return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  }

  function goTo(at) {
    film.currentTime = Math.max(0, Math.min(at / 1000, film.duration || Infinity));
  }

  function goToCue(index) {
    if (index < 0 || index >= cues.length) {
      told(cues.length ? "There is no further description." : "There are no descriptions of the amount you chose.");
      return;
    }
    // While the film plays, the description itself is heard, and words about it would be in its way.
    if (film.paused && !waiting && !onward) {
      told(`Description ${index + 1} of ${cues.length}, at ${clock(cues[index].start)}:`, cues[index].text);
      find("said").textContent = cues[index].text;
    }
    goTo(cues[index].start);
  }

  // The last description that has begun.
  function present() {
    if (saying) return cues.indexOf(saying.cue);
    const at = ms() + SOON_MS;
    return cues.findLastIndex((cue) => cue.start <= at);
  }

  // The film waits for what is asked for out of its turn.
  function sayAside(cue) {
    const played = !film.paused || waiting || onward;
    stop(false);
    onward = played;
    if (!film.paused) film.pause();
    begin(cue);
    saying.until = Infinity;
  }

  const press = {
    play() {
      if (waiting || onward) {
        rest();
        find("play").textContent = "Play";
      } else if (film.paused) {
        film.play().catch(() => trouble("This browser cannot play the film that lies beside this page."));
      } else {
        film.pause();
      }
    },
    back: () => goTo(ms() - 10000),
    forward: () => goTo(ms() + 10000),
    before: () => goToCue(present() - 1),
    after: () => goToCue(present() + 1),
    again() {
      const cue = cues[present()];
      if (cue) sayAside(cue);
      else told("No description has been said yet.");
    },
    skip: () => stop(true),
    try() {
      const cue = cues[Math.max(0, present())] || data.cues[0];
      if (cue) sayAside(cue);
      else told("There are no descriptions.");
    },
  };
  for (const [id, act] of Object.entries(press)) find(id).addEventListener("click", act);

  find("how").addEventListener("input", changed);
  find("how").addEventListener("submit", (event) => event.preventDefault());
  find("how").addEventListener("reset", (event) => {
    event.preventDefault();
    Object.assign(wish, usual);
    keep();
    listVoices();
    show();
    told("The usual settings are back.");
  });

  // A place in the film may be named by the address, as the transcript's times do: #t=62.5
  function goToAddress() {
    const found = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash);
    if (found) goTo(Number(found[1]) * 1000);
  }
  window.addEventListener("hashchange", goToAddress);
  if (film.readyState) goToAddress();
  else film.addEventListener("loadedmetadata", goToAddress, { once: true });
  window.addEventListener("pagehide", () => stop(false));

  // Browsers read no text tracks from a folder on disk: there, the page hands over its own.
  if (location.protocol === "file:") {
    for (const track of film.querySelectorAll("track")) {
      track.src = URL.createObjectURL(new Blob([data.tracks[track.id]], { type: "text/vtt" }));
    }
  }

  listVoices();
  if (synth && synth.addEventListener) synth.addEventListener("voiceschanged", listVoices);
  show();
})();
