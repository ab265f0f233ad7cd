// Answers that are written: a text, or a number.

import { icon } from "../elements/icons.js";
import { View, element, fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { offer } from "./choice.js";

const MOST_CHARS = 200;

class Typed extends View {
  #input;
  #problem = h("p.problem", { id: "problem", role: "alert" });
  #send = h("button.primary", { type: "submit" }, t("answer.send"));
  #truth = h("p.truth-line");

  connectedCallback() {
    this.classList.add("answer", "typed");
    this.#input = h("input", {
      type: "text",
      maxlength: MOST_CHARS,
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      "aria-labelledby": "question",
      "aria-describedby": "problem",
      oninput: () => this.#complain(null),
      ...this.attributesOfInput,
    });
    fill(
      this,
      h(
        "form.typed-line",
        { onsubmit: (event) => this.#submit(event) },
        this.#input,
        this.#send,
      ),
      this.#problem,
      this.#truth,
    );
  }

  /** What the input has beside what all have. */
  get attributesOfInput() {
    return {};
  }

  #submit(event) {
    event.preventDefault();
    if (this.#input.readOnly) return;
    const given = this.read(this.#input.value.trim());
    this.#complain(given === null ? t(this.problem) : null);
    if (given !== null) this.tell("qd-answer", given);
  }

  #complain(text) {
    this.#problem.textContent = text ?? "";
    this.#input.setAttribute("aria-invalid", String(text !== null));
  }

  /** Follow the picture: what was given, whether answers are taken, what was right. */
  update({ answer, locked, shown }) {
    this.#input.readOnly = locked;
    offer(this.#send, !locked);
    if (answer) this.#input.value = this.write(answer.given);
    if (!shown) return;
    const { correctOptions } = shown;
    if (!correctOptions.length) return;
    fill(
      this.#truth,
      icon("check"),
      h("span", {}, t("answer.truth", { answer: correctOptions.join(" · ") })),
    );
  }
}

class Text extends Typed {
  problem = "answer.empty";

  read(text) {
    return text === "" ? null : text;
  }

  write(given) {
    return given;
  }
}

class NumberAnswer extends Typed {
  problem = "answer.nonumber";

  get attributesOfInput() {
    return { inputmode: "decimal" };
  }

  read(text) {
    return numberIn(text);
  }

  write(given) {
    return String(given);
  }
}

/** Return the number in *text*, or null; the last of "." and "," is the decimal one. */
export function numberIn(text) {
  const bare = text.replace(/[\s'’]/g, "").replace("−", "-");
  const decimal = bare.lastIndexOf(",") > bare.lastIndexOf(".") ? "," : ".";
  const other = decimal === "," ? "." : ",";
  const plain = bare.replaceAll(other, "").replace(decimal, ".");
  const value = Number(plain);
  return plain !== "" && Number.isFinite(value) ? value : null;
}

export const text = element("qd-text", Text);
export const numeric = element("qd-number", NumberAnswer);
