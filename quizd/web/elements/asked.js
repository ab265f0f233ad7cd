// What a question is shown with: its start, its clock, and its picture, sound or film.

import { View, element, fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { announce } from "../lib/page.js";
import { icon } from "./icons.js";

const TICK_MS = 100;
const HURRY_MS = 5000;
const LONG_S = 100;
// Told to who can't see the bar; only where the question is so long that it helps, and
// only the smallest that is due, as who comes late is told no time that is over.
const TOLD_S = [5, 10, 30];

class Clock extends View {
  #bar = h("span.clock-bar");
  #number = h("span.clock-number");
  #told = new Set();

  connectedCallback() {
    this.classList.add("clock");
    this.setAttribute("role", "timer");
    this.setAttribute("aria-live", "off");
    fill(
      this,
      h("span.clock-face", {}, icon("clock"), this.#number),
      h("span.clock-track", { "aria-hidden": "true" }, this.#bar),
    );
  }

  /** Run from *startMs* to *endMs* by *now*, the server's clock. */
  run({ startMs, endMs, now }) {
    this.stopTimers();
    this.classList.remove("stopped");
    const totalMs = endMs - startMs;
    for (const seconds of TOLD_S) {
      if (seconds * 2000 > totalMs) this.#told.add(seconds);
    }
    this.every(TICK_MS, () => {
      const leftMs = Math.max(0, endMs - Math.max(now(), startMs));
      this.#show(leftMs, totalMs);
      this.#warn(leftMs);
      if (leftMs === 0) this.stopTimers();
    });
  }

  /** Stand still with *leftMs* of *totalMs* left. */
  freeze(leftMs, totalMs) {
    this.stopTimers();
    this.classList.add("stopped");
    this.#show(leftMs, totalMs);
  }

  #show(leftMs, totalMs) {
    const seconds = Math.ceil(leftMs / 1000);
    const text =
      seconds < LONG_S ? t("clock.seconds", { count: seconds }) : minutes(seconds);
    if (this.#number.textContent !== text) this.#number.textContent = text;
    this.#bar.style.setProperty("--left", String(totalMs > 0 ? leftMs / totalMs : 0));
    this.classList.toggle("hurry", leftMs < HURRY_MS);
  }

  #warn(leftMs) {
    const due = TOLD_S.find((s) => leftMs <= s * 1000);
    if (due === undefined || this.#told.has(due) || leftMs === 0) return;
    this.#told.add(due);
    announce(t("clock.left", { count: due }));
  }
}

function minutes(seconds) {
  const rest = String(seconds % 60).padStart(2, "0");
  return `${Math.floor(seconds / 60)}:${rest}`;
}

export const clock = element("qd-clock", Clock);

/**
 * The base of the views of a question, players' and hosts': whoever extends it has
 * `open(question)`, which draws it, and calls the rest with every picture.
 */
export class Asking extends View {
  client;
  clock = clock();
  /** Whether the question is drawn: it comes a little before it starts. */
  opened = false;
  // What is followed already: beginning anew would begin its motion anew.
  #ran = "";
  #due = "";

  /** Draw the question at its start, the same instant for all. */
  followStart({ question, phase, reveal, open }) {
    const key = `${phase} ${question.startMs}`;
    if (this.opened || key === this.#due) return;
    this.#due = key;
    this.stopTimers();
    const waitMs = question.startMs - this.client.now();
    if (waitMs <= 0 || reveal || !open) this.#open(question);
    else if (phase !== "paused") {
      this.after(waitMs, () => {
        this.#open(question);
        this.update(this.client.picture);
      });
    }
  }

  #open(question) {
    this.opened = true;
    this.open(question);
  }

  /** Have the clock go, stand or go away. */
  followClock({ question, phase, open }) {
    const { startMs, endMs, remainingMs } = question;
    const key = `${phase} ${open} ${startMs} ${endMs}`;
    if (key === this.#ran) return;
    this.#ran = key;
    const totalMs = endMs - startMs;
    if (!open) {
      this.clock.stopTimers();
      this.clock.hidden = true;
    } else if (phase === "paused") this.clock.freeze(remainingMs ?? totalMs, totalMs);
    else this.clock.run({ startMs, endMs, now: () => this.client.now() });
  }
}

/** Return the element for *media* (`{kind, url, alt}`), or null for none. */
export function media(given) {
  if (!given) return null;
  const { kind, url, alt = "" } = given;
  if (kind === "image") {
    return h(
      "figure.media",
      {},
      h("img", { src: url, alt, referrerpolicy: "no-referrer" }),
    );
  }
  const tag = kind === "video" ? "video" : "audio";
  const label = alt || t(`media.${tag}`);
  const player = h(tag, {
    src: url,
    controls: true,
    preload: "auto",
    "aria-label": label,
  });
  if (tag === "video") player.playsInline = true;
  return h("figure.media", {}, player, alt ? h("figcaption", {}, alt) : null);
}
