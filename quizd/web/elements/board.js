// Leaderboards: lines by rank, one's own marked, and the three first on a podium.

import { View, element, fill, h } from "../lib/dom.js";
import { number, t } from "../lib/i18n.js";
import { icon } from "./icons.js";

class Board extends View {
  /** Show *lines*; the one of *own* (a participantId) is marked, also by words. */
  show(lines, own = null) {
    this.classList.add("board");
    fill(
      this,
      h(
        "ol.board-lines",
        {},
        lines.map((line) => row(line, own)),
      ),
    );
  }
}

function row({ participantId, participantName, score, rank }, own) {
  const mine = participantId === own;
  return h(
    "li.board-line",
    { class: mine ? "mine" : "" },
    h("span.board-rank", {}, h("span.sr", {}, t("board.rank")), ` ${number(rank)}`),
    h(
      "span.board-name",
      {},
      h("span.clip", { dir: "auto" }, participantName || participantId),
      mine ? h("span.tag", {}, t("board.you")) : null,
    ),
    h("span.board-score", {}, number(score)),
  );
}

class Podium extends View {
  /** Show the lines of the ranks 1 to 3 on steps; several may share one. */
  show(lines, own = null) {
    this.classList.add("podium");
    const first = lines.filter((line) => line.rank <= 3).slice(0, 3);
    fill(
      this,
      h(
        "ol.podium-steps",
        {},
        first.map((line) => step(line, own)),
      ),
    );
  }
}

function step({ participantId, participantName, score, rank }, own) {
  const mine = participantId === own;
  return h(
    "li.podium-step",
    { class: `place-${rank} ${mine ? "mine" : ""}` },
    h("span.podium-name", { dir: "auto" }, participantName || participantId),
    mine ? h("span.tag", {}, t("board.you")) : null,
    h("span.podium-score", {}, t("points", { count: score })),
    h(
      "span.podium-block",
      {},
      rank === 1 ? icon("trophy") : null,
      h("span.podium-rank", {}, t("ordinal", { rank })),
    ),
  );
}

export const board = element("qd-board", Board);
export const podium = element("qd-podium", Podium);
