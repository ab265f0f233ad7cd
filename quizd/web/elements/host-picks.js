// The options of a question on the big screen, and how many chose each of them.

import { label } from "../answers/choice.js";
import { View, element, fill, h } from "../lib/dom.js";
import { number, t } from "../lib/i18n.js";
import { badge, icon, letter } from "./icons.js";

// Beyond these, options are smaller.
const LONG_CHARS = 60;
const MANY = 4;
// Types whose options say nothing until they are in order, or that have none.
const WRITTEN = new Set(["ordering", "text", "numeric"]);

class Picks extends View {
  question;
  #lines = [];
  #truth = h("p.picks-truth");

  connectedCallback() {
    const { question } = this;
    this.className = "picks";
    this.#lines = question.options.map((option, index) =>
      h(
        "li.pick",
        {},
        badge(index),
        h("span.sr", {}, `${letter(index)}: `),
        h("span.pick-text", { dir: "auto" }, label(question, option)),
        h("span.pick-mark"),
      ),
    );
    const long = Math.max(0, ...question.options.map((option) => option.length));
    this.classList.toggle("long", long > LONG_CHARS);
    this.classList.toggle("many", question.options.length > MANY);
    fill(this, h("ol.pick-lines", {}, this.#lines), this.#truth);
  }

  /** Show what was right and how many chose what, as question_closed says it. */
  reveal({ correctOptions, distribution }) {
    const { question } = this;
    const counts = new Map(distribution.map(({ option, count }) => [option, count]));
    const all = distribution.reduce((sum, { count }) => sum + count, 0);
    this.classList.add("revealed");
    if (WRITTEN.has(question.type)) {
      this.#tellTruth(correctOptions, question.type === "ordering" ? " → " : " · ");
      return;
    }
    question.options.forEach((option, index) => {
      const count = counts.get(option) ?? 0;
      const right = correctOptions.includes(option);
      const line = this.#lines[index];
      line.classList.toggle("right", right);
      line.classList.toggle("faded", correctOptions.length > 0 && !right);
      line.style.setProperty("--share", String(all ? count / all : 0));
      line.querySelector(".pick-mark").replaceChildren(...marks(count, all, right));
    });
  }

  #tellTruth(correctOptions, between) {
    if (!correctOptions.length) return;
    const answer = correctOptions.join(between);
    fill(this.#truth, icon("check"), h("span", {}, t("answer.truth", { answer })));
  }
}

function marks(count, all, right) {
  const part = number(all ? count / all : 0, {
    style: "percent",
    maximumFractionDigits: 0,
  });
  return [
    ...(right
      ? [h("span.verdict", {}, icon("check"), h("span.sr", {}, t("answer.right")))]
      : []),
    h("span.pick-part", { "aria-hidden": "true" }, part),
    h("strong.pick-count", { "aria-hidden": "true" }, number(count)),
    h("span.sr", {}, t("answer.count", { count })),
  ];
}

export const picks = element("qd-host-picks", Picks);
