// What the page as a whole has: a voice, a focus, and what somebody chose for it.

import { t } from "./i18n.js";

/** Say *text* when there is a pause; *urgent*: at once. */
export function announce(text, { urgent = false } = {}) {
  const region = document.getElementById(urgent ? "say-now" : "say");
  if (!region) return;
  // The same text again would be no change, and so not be said.
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}

const CROWD_MS = 5000;

/** Says how many are in, at most once in five seconds, by the timers of *view*. */
export class Crowd {
  #view;
  #count;
  #told;
  #resting = false;

  /** *told*: the count that is known already. */
  constructor(view, told) {
    this.#view = view;
    this.#told = told;
  }

  /** Follow the *count*. */
  follow(count) {
    this.#count = count;
    if (!this.#resting) this.#say();
  }

  #say() {
    if (this.#count === this.#told) return;
    this.#told = this.#count;
    announce(t("people", { count: this.#told }));
    this.#resting = true;
    this.#view.after(CROWD_MS, () => {
      this.#resting = false;
      this.#say();
    });
  }
}

/** Move the focus to a heading, so that reading goes on from there. */
export function focusOn(heading) {
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

const NAMES = {
  language: "quizd.language",
  theme: "quizd.theme",
  shortcuts: "quizd.shortcuts",
  name: "quizd.name",
};

/** Return what was chosen for *what*, or null. */
export function chosen(what) {
  try {
    return localStorage.getItem(NAMES[what]);
  } catch {
    return null;
  }
}

/** Keep a choice, where the browser keeps anything, and let the page follow it. */
export function choose(what, value) {
  try {
    localStorage.setItem(NAMES[what], value);
  } catch {
    return;
  }
  dispatchEvent(new Event(`quizd:${what}`));
}

/** Whether single keys choose options. */
export function shortcutsOn() {
  return chosen("shortcuts") !== "off";
}
