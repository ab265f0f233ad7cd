// Between questions: the seconds before the first one, the board, and when there is no
// line to show anything by.

import { ranks } from "../elements/host-ranks.js";
import { icon } from "../elements/icons.js";
import { View, element, fill, h } from "../lib/dom.js";
import { number, t } from "../lib/i18n.js";
import { announce } from "../lib/page.js";

const SHOWN = 10;
const STEP_MS = 500;
const TICK_MS = 100;

class Countdown extends View {
  client;
  #number = h("p.countdown-number", { "aria-hidden": "true" });
  #below = h("p.lead");
  #until;

  connectedCallback() {
    this.className = "big-wait";
    fill(this, h("h1", {}, t("countdown.title")), this.#number, this.#below);
  }

  /** Follow the picture: the instant, or that it stands still. */
  update({ phase, startsAtMs }) {
    const until = phase === "paused" ? null : startsAtMs;
    if (until === this.#until) return;
    this.#until = until;
    this.stopTimers();
    fill(
      this.#below,
      until === null ? icon("pause") : null,
      t(until === null ? "host.paused" : "countdown.text"),
    );
    if (until === null) fill(this.#number, icon("pause"));
    else {
      announce(t("countdown.told", { count: this.#left() }));
      this.every(TICK_MS, () => this.#draw());
    }
  }

  #left() {
    return Math.max(0, Math.ceil((this.#until - this.client.now()) / 1000));
  }

  #draw() {
    const left = this.#left();
    const text = left > 0 ? number(left) : t("countdown.go");
    if (this.#number.textContent === text) return;
    // A new node starts the animation again.
    fill(this.#number, h("span.beat", {}, text));
  }
}

export const countdown = element("qd-host-countdown", Countdown);

class Standing extends View {
  desk;
  #pause = h("p.paused-bar", { hidden: true }, icon("pause"), h("span"));
  #ranks = ranks();
  #latest = null;
  #due = false;
  #told = "";

  connectedCallback() {
    this.className = "standing-host";
    fill(this, h("h1", {}, t("board.title")), this.#pause, this.#ranks);
  }

  /** Follow the picture; the lines come from where they stood before. */
  update({ leaderboard, phase }) {
    this.#pause.hidden = phase !== "paused";
    this.#pause.lastChild.textContent = t("host.paused");
    if (leaderboard === this.#latest) return;
    const first = this.#latest === null;
    const { boardBefore } = this.desk;
    this.#latest = leaderboard;
    if (first) this.#ranks.show(boardBefore.slice(0, SHOWN));
    this.#soon(first && !boardBefore.length ? 0 : STEP_MS);
  }

  /** Move the lines in *ms*, and then no sooner than anybody could follow. */
  #soon(ms) {
    if (this.#due) return;
    this.#due = true;
    this.after(ms, () => {
      this.#due = false;
      const lines = this.#latest.slice(0, SHOWN);
      this.#ranks.show(lines, this.desk.boardBefore);
      this.#tell(lines);
    });
  }

  #tell([first]) {
    if (!first) return;
    const { participantName: name, score } = first;
    const text = t("host.board.told", { name, count: score });
    if (text !== this.#told) announce(text);
    this.#told = text;
  }
}

export const standing = element("qd-host-standing", Standing);

// What can be tried again from here.
const AGAIN = new Set(["unreachable"]);
const TOLD = new Set(["unreachable", "unauthorized", "session_not_found", "over"]);

class Waiting extends View {
  client;
  #about = "";

  /** Follow the client: reaching, or failed and why. */
  update() {
    const { state, info } = this.client;
    const about = state === "failed" ? info.reason : "connecting";
    if (about === this.#about) return;
    this.#about = about;
    if (about === "connecting") {
      fill(this, h("p.loading", {}, h("span.spinner"), t("notice.connecting")));
    } else this.#failed(TOLD.has(about) ? about : "other", AGAIN.has(about));
  }

  #failed(about, again) {
    const title = t(`host.failed.${about}.title`);
    fill(
      this,
      h(
        "section.card.notice",
        {},
        h("div.notice-icon", {}, icon(again ? "offline" : "out")),
        h("h1", {}, title),
        h("p.lead", {}, t(`host.failed.${about}.text`)),
        again
          ? h(
              "button.primary.wide",
              { type: "button", onclick: () => this.tell("qd-retry") },
              t("notice.retry"),
            )
          : null,
        h(
          "button.wide",
          { type: "button", onclick: () => this.tell("qd-leave") },
          t("host.again"),
        ),
      ),
    );
    announce(title, { urgent: true });
  }
}

export const waiting = element("qd-host-waiting", Waiting);
