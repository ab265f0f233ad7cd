// A question from its start to what came of it. The answer's element differs by type.

import { answering } from "../answers/index.js";
import { Asking, media } from "../elements/asked.js";
import { icon } from "../elements/icons.js";
import { element, fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { announce, focusOn } from "../lib/page.js";
import { outcome, result, resultText } from "./outcome.js";

class QuestionView extends Asking {
  #body = h(
    "div.question-body",
    {},
    h("div.ready", {}, h("h1", {}, t("question.ready"))),
  );
  #result = h("div.result-place");
  #pause = h("p.paused-bar", { hidden: true }, icon("pause"), t("paused"));
  #outcome = null;
  #answering = null;
  // What is shown already: drawing it again would begin its motion again.
  #shown = { answer: [], verdict: "", told: "" };

  connectedCallback() {
    const { question } = this.client.picture;
    this.className = "question";
    fill(
      this,
      h("div.question-head", {}, h("p.eyebrow", {}, place(question)), this.clock),
      this.#pause,
      this.#body,
    );
    this.listen(this, "qd-answer", ({ detail }) => this.#give(detail));
  }

  /** Follow the picture. */
  update(picture) {
    this.followClock(picture);
    this.#pause.hidden = picture.phase !== "paused";
    this.followStart(picture);
    if (!this.opened) return;
    this.#showAnswer(picture);
    this.#showVerdict(picture);
    if (picture.reveal) this.#reveal(picture);
  }

  /** Draw the question. */
  open(question) {
    const heading = h(
      "h1.question-text",
      { id: "question", dir: "auto" },
      question.text,
    );
    this.#answering = answering(question);
    fill(this.#body, heading, media(question.media), this.#answering, this.#result);
    focusOn(heading);
  }

  #showAnswer({ answer, question, reveal, open, phase }) {
    const given = answer && answer.status !== "refused" ? answer : null;
    const spent =
      answer?.reason === "too_late" || answer?.reason === "already_answered";
    const locked =
      Boolean(given) || question.answered || spent || !open || phase === "paused";
    const now = [given, locked, reveal];
    if (now.every((value, index) => value === this.#shown.answer[index])) return;
    this.#shown.answer = now;
    this.#answering.update({ answer: given, locked, shown: reveal });
  }

  #showVerdict(picture) {
    const { answer, open } = picture;
    const verdict = JSON.stringify([resultText(picture), answer?.status, open]);
    if (verdict === this.#shown.verdict) return;
    this.#shown.verdict = verdict;
    fill(this.#result, result(picture));
    this.#say(resultText(picture));
  }

  #reveal(picture) {
    if (!this.#outcome) {
      this.#outcome = outcome();
      this.append(this.#outcome);
      this.classList.add("closed");
      this.scrollIntoView({ block: "start" });
    }
    this.#outcome.update(picture);
  }

  #say(text) {
    if (text && text !== this.#shown.told) announce(text);
    this.#shown.told = text;
  }

  async #give(given) {
    try {
      await this.client.answer(given);
    } catch {
      // What the server has against it is in the picture.
    }
  }
}

function place({ index, total, points }) {
  return [
    t("question.of", { number: index + 1, total }),
    points === 0 ? h("span.tag", {}, t("question.practice")) : null,
    points > 1000 ? h("span.tag.gold", {}, t("question.double")) : null,
  ];
}

export const question = element("qd-question", QuestionView);
