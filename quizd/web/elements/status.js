// How the line to the server is: a word in the head, and a bar when it is not well.

import { View, element, fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { announce } from "../lib/page.js";
import { icon } from "./icons.js";

// A line that comes at once is not worth a word.
const PATIENCE_MS = 400;

const LOOK = {
  idle: null,
  joining: null,
  ended: null,
  failed: null,
  online: "good",
  polling: "slow",
  connecting: "away",
  waiting: "away",
};

class Status extends View {
  #client = null;
  #told = null;
  #known = false;
  #patient = false;
  #word = h("span.status-word");
  #more = h("span.status-more");
  // It stays the same element, so that the focus may stay on it.
  #now = h("button.small", {
    type: "button",
    onclick: () => this.#client.retryNow(),
  });

  connectedCallback() {
    fill(this, this.#word, this.#more, this.#now);
  }

  /** Show the line of *client* from now on. */
  watch(client) {
    this.#client = client;
    this.listen(client, "change", () => this.#changed());
    this.listen(globalThis, "quizd:language", () => this.#draw());
    this.#changed();
  }

  get #look() {
    return LOOK[this.#client.state];
  }

  #changed() {
    if (this.#look !== "away" || this.#told === "away") {
      this.stopTimers();
      this.#patient = false;
      this.#say();
    } else if (!this.#patient) {
      this.#patient = true;
      this.after(PATIENCE_MS, () => {
        this.#patient = false;
        this.#say();
      });
    }
  }

  #say() {
    const look = this.#look;
    const changed = look !== this.#told;
    // The first time that all is well there is nothing to tell.
    if (changed && look && (this.#known || look !== "good")) {
      announce(t(`line.${look}.told`));
    }
    if (look === "good") this.#known = true;
    this.#told = look;
    this.#draw();
  }

  #draw() {
    const look = this.#told;
    this.className = look ? `status ${look}` : "status";
    this.hidden = look === null;
    if (look === null) return;
    fill(this.#word, icon(look === "good" ? "check" : "offline"), t(`line.${look}`));
    const { state, info } = this.#client;
    const trying = state === "waiting" || state === "connecting";
    this.#more.hidden = this.#now.hidden = look !== "away" || !trying;
    this.#now.textContent = t("line.now");
    this.#more.textContent =
      globalThis.navigator?.onLine === false
        ? t("line.offline")
        : t("line.try", { count: info.attempt ?? 1, of: info.of ?? 1 });
  }
}

export const status = element("qd-status", Status);
