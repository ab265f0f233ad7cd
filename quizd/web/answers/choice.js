// Questions with options: one of them (also true or false, and polls) or several.

import { badge, icon, letter } from "../elements/icons.js";
import { View, element, fill, h } from "../lib/dom.js";
import { number, t } from "../lib/i18n.js";
import { focusOn, shortcutsOn } from "../lib/page.js";

/** The texts of true_false are the protocol's; readers get their own. */
export function label(question, option) {
  if (question.type !== "true_false") return option;
  return t(option === "True" ? "answer.true" : "answer.false");
}

/** Return what an option holds: its shape with its letter, and its text. */
export function inside(question, option, index) {
  return [
    badge(index),
    h("span.sr", {}, `${letter(index)}: `),
    h(
      "span.option-text",
      {},
      h("span", { dir: "auto" }, label(question, option)),
      h("span.option-own"),
    ),
    h("span.option-mark"),
  ];
}

/**
 * Show on the *options* (elements, in order) what was right, what was chosen and how
 * many chose each, in words and pictures as well as colours.
 */
export function reveal(options, question, chosen, { correctOptions, distribution }) {
  const most = Math.max(1, ...distribution.map(({ count }) => count));
  const counts = new Map(distribution.map(({ option, count }) => [option, count]));
  const judged = correctOptions.length > 0;
  question.options.forEach((option, index) => {
    const element = options[index];
    const mine = chosen.includes(option);
    const right = correctOptions.includes(option);
    element.classList.toggle("right", right);
    element.classList.toggle("wrong", judged && mine && !right);
    element.classList.toggle("faded", judged && !mine && !right);
    const count = counts.get(option);
    if (count !== undefined) element.style.setProperty("--share", String(count / most));
    const own = mine ? h("span.tag", {}, t("answer.yours")) : null;
    element.querySelector(".option-own").replaceChildren(...(own ? [own] : []));
    element
      .querySelector(".option-mark")
      .replaceChildren(
        ...[
          mark(right, judged && mine),
          count === undefined ? null : tally(count),
        ].filter(Boolean),
      );
  });
}

function mark(right, wrong) {
  if (right)
    return h("span.verdict", {}, icon("check"), h("span.sr", {}, t("answer.right")));
  if (wrong)
    return h("span.verdict", {}, icon("cross"), h("span.sr", {}, t("answer.wrong")));
  return null;
}

function tally(count) {
  return h(
    "span.tally",
    {},
    h("span", { "aria-hidden": "true" }, number(count)),
    h("span.sr", {}, t("answer.count", { count })),
  );
}

/**
 * Call *pick* with an index when a digit (1 is the first) or a letter (A is) is
 * pressed, and *enter* for Enter where the focus is on nothing that has its own use
 * for it.
 */
export function keys(view, count, pick, enter = () => {}) {
  view.listen(document, "keydown", (event) => {
    const busy = event.ctrlKey || event.metaKey || event.altKey || event.repeat;
    if (busy || document.querySelector("dialog[open]")) return;
    if (event.target.matches("input[type=text], select, textarea")) return;
    if (event.key === "Enter") {
      if (!event.target.matches("button, a, input")) enter();
      return;
    }
    const index = shortcutsOn() ? indexOf(event.key) : -1;
    if (index >= 0 && index < count) pick(index);
  });
}

/**
 * Show *send* while answers are *taken*. The focus on it, or anywhere in *part*, which
 * can't be used without it, would be lost with it; so the question gets it.
 */
export function offer(send, taken, part = send) {
  const loses = !taken && !send.hidden && part.contains(document.activeElement);
  send.hidden = !taken;
  if (loses) focusOn(document.getElementById("question"));
}

function indexOf(key) {
  if (/^[1-9]$/.test(key)) return Number(key) - 1;
  return /^[a-t]$/i.test(key) ? key.toLowerCase().charCodeAt(0) - 97 : -1;
}

class Choice extends View {
  #options = [];
  #closed = false;

  connectedCallback() {
    const { question } = this;
    this.classList.add("answer");
    this.#options = question.options.map((option, index) =>
      h(
        "button.option",
        { type: "button", "aria-pressed": "false", onclick: () => this.#pick(index) },
        inside(question, option, index),
      ),
    );
    fill(
      this,
      h("div.options", { role: "group", "aria-labelledby": "question" }, this.#options),
    );
    keys(this, this.#options.length, (index) => this.#pick(index));
  }

  #pick(index) {
    if (!this.#closed) this.tell("qd-answer", this.question.options[index]);
  }

  /** Follow the picture: what was given, whether answers are taken, what was right. */
  update({ answer, locked, shown }) {
    const { question } = this;
    this.#closed = locked;
    question.options.forEach((option, index) => {
      const button = this.#options[index];
      button.setAttribute("aria-pressed", String(answer?.given === option));
      button.setAttribute("aria-disabled", String(locked));
    });
    if (shown) reveal(this.#options, question, answer ? [answer.given] : [], shown);
  }
}

export const choice = element("qd-choice", Choice);

class Several extends View {
  #boxes = [];
  #options = [];
  #send = h("button.primary.wide", { type: "submit" }, t("answer.send"));

  connectedCallback() {
    const { question } = this;
    this.classList.add("answer");
    this.#boxes = question.options.map(() =>
      h("input.sr", { type: "checkbox", onchange: () => this.#chosen() }),
    );
    this.#options = question.options.map((option, index) =>
      h("label.option", {}, this.#boxes[index], inside(question, option, index)),
    );
    fill(
      this,
      h(
        "form",
        { onsubmit: (event) => this.#submit(event) },
        h("p.hint", { id: "hint" }, t("answer.several")),
        h(
          "div.options",
          { role: "group", "aria-labelledby": "question", "aria-describedby": "hint" },
          this.#options,
        ),
        this.#send,
      ),
    );
    keys(
      this,
      this.#boxes.length,
      (index) => this.#toggle(index),
      () => this.#submit(),
    );
    this.#chosen();
  }

  get #given() {
    return this.question.options.filter((_, index) => this.#boxes[index].checked);
  }

  #toggle(index) {
    const box = this.#boxes[index];
    if (box.disabled) return;
    box.checked = !box.checked;
    this.#chosen();
  }

  #chosen() {
    this.#send.disabled = this.#given.length === 0 || this.#boxes[0].disabled;
  }

  #submit(event) {
    event?.preventDefault();
    const given = this.#given;
    if (given.length && !this.#boxes[0].disabled) this.tell("qd-answer", given);
  }

  /** Follow the picture: what was given, whether answers are taken, what was right. */
  update({ answer, locked, shown }) {
    offer(this.#send, !locked, this);
    this.#boxes.forEach((box, index) => {
      box.disabled = locked;
      if (answer) box.checked = answer.given.includes(this.question.options[index]);
    });
    this.#chosen();
    if (shown) reveal(this.#options, this.question, answer?.given ?? [], shown);
  }
}

export const several = element("qd-several", Several);
