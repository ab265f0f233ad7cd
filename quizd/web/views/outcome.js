// What came of a question: for one's own answer, for one's place, and on the board.

import { board } from "../elements/board.js";
import { icon } from "../elements/icons.js";
import { View, element, fill, h } from "../lib/dom.js";
import { number, t } from "../lib/i18n.js";

const REASONS = new Set([
  "too_late",
  "already_answered",
  "question_not_open",
  "invalid_option",
  "rate_limited",
]);

/**
 * Return `{look, text, points}` of *picture*: look is one of sending, in, right, wrong,
 * none and refused; null while there is nothing to say.
 */
export function verdict({ answer, question, reveal, open }) {
  if (reveal?.you) return closed(reveal, answer, question);
  if (answer?.status === "sending")
    return { look: "sending", text: t("result.sending") };
  if (answer?.status === "refused") return refused(answer.reason);
  if (answer?.status === "accepted") return accepted(answer.result, question);
  if (question.answered && open) return { look: "in", text: t("result.in") };
  return null;
}

function accepted({ correct, points = 0 }, question) {
  // Polls and practice have no right and wrong that counts.
  if (correct === undefined || question.type === "poll") {
    return { look: "in", text: t("result.in") };
  }
  return judged(correct, points);
}

function closed({ you, correctOptions }, answer, question) {
  const answered = answer?.status === "accepted" || question.answered || you.correct;
  if (!answered) return { look: "none", text: t("result.none") };
  if (!correctOptions.length) return { look: "in", text: t("result.counted") };
  return judged(you.correct, you.points);
}

function judged(correct, points) {
  const text = t(correct ? "result.right" : "result.wrong");
  return { look: correct ? "right" : "wrong", text, points };
}

function refused(reason) {
  const code = REASONS.has(reason) ? reason : "other";
  return { look: "refused", text: t(`result.refused.${code}`) };
}

const ICON = {
  sending: null,
  in: "check",
  right: "check",
  wrong: "cross",
  none: "clock",
  refused: "cross",
};

/** Return the line to show, or null. */
export function result(picture) {
  const known = verdict(picture);
  if (!known) return null;
  const { look, text, points } = known;
  return h(
    "p.result",
    { class: look },
    look === "sending" ? h("span.spinner") : icon(ICON[look]),
    h("strong", {}, text),
    points ? h("span.gain", {}, `+${number(points)}`) : null,
    picture.open && look !== "sending" && look !== "refused"
      ? h("span.result-wait", {}, t("result.wait"))
      : null,
  );
}

/** Return the sentence to say, "" for none. */
export function resultText(picture) {
  const known = verdict(picture);
  if (!known || known.look === "sending") return "";
  const { text, points } = known;
  const gain = points ? ` ${t("result.gain", { count: points })}` : "";
  return `${text}${gain}${picture.reveal ? ` ${place(picture)}` : ""}`;
}

/** Return where one stands, in a sentence. */
export function place({ you, reveal }) {
  const { rank, of } = reveal?.you ?? you;
  return t("place.told", { rank, of });
}

class Outcome extends View {
  #own = h("section.card.own", { "aria-labelledby": "own-title" });
  #board = board();
  #explained = h("div");
  #shown = {};

  connectedCallback() {
    this.className = "outcome";
    fill(
      this,
      this.#explained,
      this.#own,
      h(
        "section.card",
        { "aria-labelledby": "board-title" },
        h("h2", { id: "board-title" }, t("board.title")),
        this.#board,
      ),
    );
  }

  /** Follow the picture. */
  update({ reveal, you, leaderboard }) {
    if (reveal !== this.#shown.reveal) {
      fill(this.#explained, explanation(reveal.explanation));
      fill(this.#own, ownPlace(reveal.you ?? you));
    }
    if (leaderboard !== this.#shown.leaderboard) {
      this.#board.show(leaderboard, you.participantId);
    }
    this.#shown = { reveal, leaderboard };
  }
}

function explanation(text) {
  if (!text) return null;
  return h(
    "section.explained",
    {},
    icon("sparkle"),
    h("p", { dir: "auto" }, h("span.sr", {}, `${t("explanation")} `), text),
  );
}

/** Return one's own place: rank, gap, streak, percentile, as far as they are known. */
export function ownPlace({ rank, of, score, gapToNext, streak, percentile }) {
  return [
    h("h2.sr", { id: "own-title" }, t("place.title")),
    h(
      "p.own-rank",
      {},
      h("strong", {}, t("ordinal", { rank })),
      h("span", {}, t("place.of", { of })),
    ),
    h(
      "ul.own-facts",
      {},
      h("li", {}, t("points", { count: score })),
      gapToNext ? h("li", {}, icon("up"), t("place.gap", { count: gapToNext })) : null,
      rank === 1 ? h("li", {}, icon("trophy"), t("place.lead")) : null,
      streak > 1
        ? h("li.streak", {}, icon("flame"), t("place.streak", { count: streak }))
        : null,
      percentile > 0 && of >= 10 && rank > 1
        ? h("li", {}, t("place.better", { percent: percent(percentile) }))
        : null,
    ),
  ];
}

function percent(value) {
  return number(value / 100, { style: "percent", maximumFractionDigits: 0 });
}

export const outcome = element("qd-outcome", Outcome);
