// The leaderboard on the big screen: lines slide to their new places.

import { View, element, fill, h } from "../lib/dom.js";
import { number, t } from "../lib/i18n.js";
import { icon } from "./icons.js";

const SLIDE_MS = 900;
const EASE = "cubic-bezier(0.3, 0.7, 0.1, 1)";

const still = matchMedia("(prefers-reduced-motion: reduce)");

class Ranks extends View {
  #list = h("ol.ranks-lines");
  #rows = new Map();

  connectedCallback() {
    this.className = "ranks";
    fill(this, this.#list);
  }

  /**
   * Show *lines*. What has changed since *before*, an earlier board, stands beside
   * them; lines that are here already slide from where they are.
   */
  show(lines, before = []) {
    const earlier = new Map(before.map((line) => [line.participantId, line]));
    const was = this.#places();
    const rows = new Map();
    for (const line of lines) {
      const row = this.#rows.get(line.participantId) ?? new Row();
      row.show(line, before.length ? earlier.get(line.participantId) : line);
      rows.set(line.participantId, row);
    }
    const order = [...rows.keys()];
    const same = String(order) === String([...this.#rows.keys()]);
    this.#rows = rows;
    if (same) return;
    this.#list.replaceChildren(...[...rows.values()].map(({ element }) => element));
    if (was.size && !still.matches) this.#slide(was);
  }

  /** Where the lines are on the screen, on their way included. */
  #places() {
    const tops = new Map();
    for (const [id, { element }] of this.#rows) {
      tops.set(id, element.getBoundingClientRect().top);
    }
    return tops;
  }

  #slide(was) {
    const rows = [...this.#rows];
    for (const [, { element }] of rows) {
      for (const motion of element.getAnimations()) motion.cancel();
    }
    const tops = rows.map(([, { element }]) => element.getBoundingClientRect().top);
    rows.forEach(([id, { element }], index) => {
      const movedPx = (was.get(id) ?? innerHeight) - tops[index];
      if (Math.abs(movedPx) < 1) return;
      element.animate(
        [{ transform: `translateY(${movedPx}px)` }, { transform: "none" }],
        { duration: SLIDE_MS, easing: EASE },
      );
    });
  }
}

class Row {
  #rank = h("span.ranks-rank");
  #name = h("span.clip", { dir: "auto" });
  #moved = h("span.ranks-moved");
  #gain = h("span.ranks-gain");
  #score = h("span.ranks-score");
  #shown = "";
  element = h(
    "li.ranks-line",
    {},
    this.#rank,
    h("span.ranks-name", {}, this.#name, this.#moved),
    this.#gain,
    this.#score,
  );

  show({ participantId, participantName, score, rank }, earlier) {
    const gain = earlier ? score - earlier.score : 0;
    const up = earlier ? earlier.rank - rank : 0;
    const now = JSON.stringify([rank, score, gain, up, !earlier, t("board.rank")]);
    if (now === this.#shown) return;
    this.#shown = now;
    this.element.classList.toggle("first", rank === 1 && score > 0);
    fill(this.#rank, h("span.sr", {}, `${t("board.rank")} `), number(rank));
    this.#name.textContent = participantName || participantId;
    fill(this.#moved, earlier ? climbed(up) : arrived());
    this.#gain.textContent = gain > 0 ? `+${number(gain)}` : "";
    this.#score.textContent = number(score);
  }
}

function climbed(places) {
  if (places <= 0) return null;
  return [
    icon("up"),
    h("span", { "aria-hidden": "true" }, number(places)),
    h("span.sr", {}, t("host.board.up", { count: places })),
  ];
}

/** From where is not known: the board before did not have this line. */
function arrived() {
  return [icon("up"), h("span", {}, t("host.board.new"))];
}

export const ranks = element("qd-host-ranks", Ranks);
