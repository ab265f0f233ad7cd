// The end: the podium, one's own place and the board, as long as one likes.

import { board, podium } from "../elements/board.js";
import { View, element, fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { announce, focusOn } from "../lib/page.js";

const SHOWN = 10;
const PAGE = 100;
const PIECES = 28;

class Ending extends View {
  client;
  #podium = podium();
  #board = board();
  #own = h("p.lead.final-place");
  #more = h("button.wide", { type: "button", hidden: true });
  #lines = [];
  #whole = false;

  connectedCallback() {
    const { you } = this.client.picture;
    this.className = "ending";
    const heading = h("h1", {}, t("ending.title"));
    fill(
      this,
      you.rank <= 3 && you.score > 0 ? confetti() : null,
      h("section.card.final", {}, heading, this.#own, this.#podium),
      h(
        "section.card",
        { "aria-labelledby": "board-title" },
        h("h2", { id: "board-title" }, t("ending.board")),
        this.#board,
        this.#more,
      ),
      h(
        "button.primary.wide.big",
        { type: "button", onclick: () => this.tell("qd-leave") },
        t("ending.again"),
      ),
    );
    this.#more.addEventListener("click", () => this.#showMore());
    focusOn(heading);
  }

  /** Follow the picture, which the end makes final. */
  update({ leaderboard, you }) {
    if (!this.#lines.length) this.#lines = leaderboard;
    const own = you.of
      ? t("ending.place", { name: you.participantName, rank: you.rank, of: you.of })
      : "";
    const text = `${own} ${t("points.total", { count: you.score })}`;
    if (this.#own.textContent !== text) {
      this.#own.textContent = text;
      announce(text);
    }
    this.#podium.show(leaderboard, you.participantId);
    this.#draw();
  }

  #draw() {
    const { you } = this.client.picture;
    const shown = this.#whole ? this.#lines : this.#lines.slice(0, SHOWN);
    this.#board.show(shown, you.participantId);
    const left = (you.of ?? 0) - shown.length;
    this.#more.hidden = left <= 0;
    this.#more.textContent = t("ending.more", { count: left });
  }

  /** Show what is here already, then page after page of the rest. */
  async #showMore() {
    const here = this.#whole || this.#lines.length <= SHOWN;
    this.#whole = true;
    if (here) {
      this.#more.disabled = true;
      try {
        const page = await this.client.leaderboard(this.#lines.length, PAGE);
        this.#lines = [...this.#lines, ...page.leaderboard];
      } catch {
        announce(t("ending.nomore"));
      }
      this.#more.disabled = false;
    }
    this.#draw();
  }
}

/** Return paper that falls once; where motion is reduced, it is not there. */
function confetti() {
  const pieces = Array.from({ length: PIECES }, (_, index) =>
    h("i", {
      class: `piece shape-${(index % 6) + 1}`,
      style: {
        "--x": `${(index * 37) % 100}%`,
        "--delay": `${(index % 9) * 120}ms`,
        "--turn": `${((index * 53) % 360) - 180}deg`,
      },
    }),
  );
  return h("div.confetti", { "aria-hidden": "true" }, pieces);
}

export const ending = element("qd-ending", Ending);
