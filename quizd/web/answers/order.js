// All options in an order: they are numbered as they are tapped; again takes one back.

import { View, element, fill, h } from "../lib/dom.js";
import { number, t } from "../lib/i18n.js";
import { announce } from "../lib/page.js";
import { inside, keys, label, offer } from "./choice.js";

class Order extends View {
  #order = [];
  #options = [];
  #closed = false;
  #send = h("button.primary.wide", { type: "button" }, t("answer.send"));

  connectedCallback() {
    const { question } = this;
    this.classList.add("answer");
    this.#options = question.options.map((option, index) =>
      h(
        "button.option",
        { type: "button", onclick: () => this.#pick(index) },
        inside(question, option, index),
      ),
    );
    this.#send.addEventListener("click", () => this.#submit());
    fill(
      this,
      h("p.hint", { id: "hint" }, t("answer.order")),
      h(
        "div.options.in-order",
        { role: "group", "aria-labelledby": "question", "aria-describedby": "hint" },
        this.#options,
      ),
      this.#send,
    );
    const { length } = this.#options;
    keys(
      this,
      length,
      (index) => this.#pick(index),
      () => this.#submit(),
    );
    this.#draw();
  }

  #pick(index) {
    if (this.#closed) return;
    const at = this.#order.indexOf(index);
    if (at < 0) this.#order.push(index);
    else this.#order.splice(at, 1);
    this.#draw();
    const text = label(this.question, this.question.options[index]);
    announce(
      at < 0
        ? t("answer.placed", { option: text, place: this.#order.length })
        : t("answer.unplaced", { option: text }),
    );
  }

  #draw() {
    this.#options.forEach((button, index) => {
      const at = this.#order.indexOf(index);
      button.setAttribute("aria-pressed", String(at >= 0));
      button.setAttribute("aria-disabled", String(this.#closed));
      const place = at < 0 ? "" : number(at + 1);
      button.querySelector(".option-mark").replaceChildren(h("span.place", {}, place));
    });
    this.#send.disabled = this.#order.length < this.#options.length;
  }

  #submit() {
    if (this.#closed || this.#order.length < this.#options.length) return;
    this.tell(
      "qd-answer",
      this.#order.map((index) => this.question.options[index]),
    );
  }

  /** Follow the picture: what was given, whether answers are taken, what was right. */
  update({ answer, locked, shown }) {
    this.#closed = locked;
    const { options } = this.question;
    if (answer) this.#order = answer.given.map((option) => options.indexOf(option));
    this.#draw();
    offer(this.#send, !locked);
    if (shown?.correctOptions.length) this.#reveal(shown.correctOptions);
  }

  #reveal(correct) {
    this.#options.forEach((button, index) => {
      const at = correct.indexOf(this.question.options[index]);
      const right = this.#order[at] === index;
      button.classList.toggle("right", right);
      button.classList.toggle("wrong", !right && this.#order.length > 0);
      button.append(h("span.truth", {}, t("answer.belongs", { place: at + 1 })));
    });
  }
}

export const order = element("qd-order", Order);
