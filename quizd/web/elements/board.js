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

function row(line, own) {
  const { score, rank } = line;
  const mine = line.participantId === own;
  return h(
    "li.board-line",
    { class: mine ? "mine" : "" },
    h("span.board-rank", {}, h("span.sr", {}, t("board.rank")), ` ${number(rank)}`),
    h(
      "span.board-name",
      {},
      h("span.clip", { dir: "auto" }, nameOf(line)),
      mine ? h("span.tag", {}, t("board.you")) : null,
    ),
    h("span.board-score", {}, number(score)),
  );
}

const PLACES = [1, 2, 3];
const NAMES_MAX = 3;

/** Return the lines of each of the ranks 1 to 3 that somebody has, by points. */
export function placed(lines) {
  return PLACES.map((place) =>
    lines.filter(({ rank, score }) => rank === place && score > 0),
  ).filter(({ length }) => length > 0);
}

class Podium extends View {
  /** Show who has come first to third on steps; who shares a rank shares a step. */
  show(lines, own = null) {
    this.classList.add("podium");
    fill(
      this,
      h(
        "ol.podium-steps",
        {},
        placed(lines).map((together) => step(together, own)),
      ),
    );
  }
}

function step(together, own) {
  const [{ rank, score }] = together;
  // One's own name is among those there is room for.
  const isOwn = ({ participantId }) => Number(participantId === own);
  const first = [...together].sort((one, other) => isOwn(other) - isOwn(one));
  const left = together.length - NAMES_MAX;
  return h(
    `li.podium-step.place-${rank}`,
    {},
    first
      .slice(0, NAMES_MAX)
      .map((line) => [
        h("span.podium-name", { dir: "auto" }, nameOf(line)),
        isOwn(line) ? h("span.tag", {}, t("board.you")) : null,
      ]),
    left > 0 ? h("span.podium-score", {}, t("lobby.more", { count: left })) : null,
    h("span.podium-score", {}, t("points", { count: score })),
    h(
      "span.podium-block",
      {},
      rank === 1 ? icon("trophy") : null,
      h("span.podium-rank", {}, t("ordinal", { rank })),
    ),
  );
}

/** Return what to call a participant. */
export function nameOf({ participantName, participantId }) {
  return participantName || participantId;
}

export const board = element("qd-board", Board);
export const podium = element("qd-podium", Podium);
