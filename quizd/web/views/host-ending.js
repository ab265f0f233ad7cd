// The end: the podium, step by step, and the whole board beside it.

import { nameOf, placed, podium } from "../elements/board.js";
import { finalLine } from "../elements/host-players.js";
import { everybody, rows } from "../elements/host-rows.js";
import { View, element, fill, h } from "../lib/dom.js";
import { list, t } from "../lib/i18n.js";
import { announce } from "../lib/page.js";

const PIECES = 40;
const TOLD_MAX = 9;

class Ending extends View {
  client;
  desk;
  #podium = podium();
  #all = rows({ label: t("ending.board"), make: finalLine });
  #shown = null;

  connectedCallback() {
    const won = placed(this.client.picture.leaderboard).length > 0;
    this.className = "ending-host";
    fill(
      this,
      won ? confetti() : null,
      h(
        "section.ending-first",
        {},
        h("p.eyebrow", { dir: "auto" }, this.desk.title),
        h("h1", {}, t(won ? "host.ending" : "ending.title")),
        this.#podium,
      ),
      h(
        "section.card.ending-all",
        { "aria-labelledby": "ending-board" },
        h("h2", { id: "ending-board" }, t("ending.board")),
        this.#all,
        h(
          "button.wide",
          { type: "button", onclick: () => this.tell("qd-leave") },
          t("host.again"),
        ),
      ),
    );
  }

  /** Follow the picture, which the end makes final. */
  update({ leaderboard, participants }) {
    if (leaderboard === this.#shown) return;
    this.#shown = leaderboard;
    this.#podium.show(leaderboard);
    this.#all.show(leaderboard);
    if (participants > leaderboard.length) this.#readAll();
    const winners = placed(leaderboard).flat().slice(0, TOLD_MAX).map(nameOf);
    if (winners.length) {
      announce(t("host.ending.told", { names: list(winners), count: winners.length }));
    }
  }

  /** Add those whom the end itself doesn't tell. */
  async #readAll() {
    try {
      let read = this.#shown;
      for await (read of everybody(this.client)) if (!this.isConnected) return;
      this.#all.show(read);
    } catch {
      announce(t("ending.nomore"));
    }
  }
}

/** Return paper that falls once; where motion is reduced, it is not there. */
function confetti() {
  const pieces = Array.from({ length: PIECES }, (_, index) =>
    h("i", {
      class: `piece shape-${(index % 6) + 1}`,
      style: {
        "--x": `${(index * 37) % 100}%`,
        "--delay": `${1600 + (index % 9) * 120}ms`,
        "--turn": `${((index * 53) % 360) - 180}deg`,
      },
    }),
  );
  return h("div.confetti", { "aria-hidden": "true" }, pieces);
}

export const ending = element("qd-host-ending", Ending);
