// The way in without a host's link: the author's token opens the session.

import { View, element, fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";

const TOLD = new Set([
  "unauthorized",
  "quiz_not_found",
  "session_full",
  "rate_limited",
  "shard_unavailable",
  "unreachable",
]);

class Enter extends View {
  // Set by who makes it: the quiz in the address, and the calls.
  quiz = "";
  rest;
  #input;
  #problem;
  #button;

  connectedCallback() {
    this.#draw();
    this.#input.focus();
    this.listen(globalThis, "quizd:language", () => this.#draw());
  }

  #draw() {
    document.title = t("host.title", { title: "quizd" });
    this.#problem = h("p.problem", { id: "problem", role: "alert" });
    this.#button = h("button.primary.wide.big", { type: "submit" }, t("host.enter.go"));
    // The token opens every quiz, so it is not for the big screen, nor for keeping.
    this.#input = h("input.secret", {
      id: "token",
      type: "password",
      autocomplete: "off",
      spellcheck: "false",
      "aria-describedby": "token-hint problem",
    });
    fill(
      this,
      h(
        "section.card.enter",
        {},
        h("h1", {}, t("host.enter.title")),
        h("p.lead", {}, t("host.enter.lead", { quiz: this.quiz })),
        h(
          "form",
          { novalidate: true, onsubmit: (event) => this.#submit(event) },
          h(
            "div.field",
            {},
            h("label", { for: "token" }, t("host.enter.token")),
            this.#input,
            h("p.hint", { id: "token-hint" }, t("host.enter.hint")),
          ),
          this.#problem,
          this.#button,
        ),
      ),
    );
  }

  async #submit(event) {
    event.preventDefault();
    const token = this.#input.value.trim();
    if (!token) this.#complain("empty");
    else if (!this.#button.disabled) await this.#open(token);
  }

  async #open(token) {
    this.#button.disabled = true;
    this.#problem.textContent = "";
    try {
      const path = `/quizzes/${encodeURIComponent(this.quiz)}/open`;
      this.tell("qd-opened", await this.rest.call("POST", path, { token }));
    } catch (error) {
      this.#button.disabled = false;
      this.#complain(TOLD.has(error.code) ? error.code : "internal");
    }
  }

  #complain(about) {
    this.#problem.textContent = t(`host.enter.problem.${about}`);
    this.#input.setAttribute("aria-invalid", "true");
    this.#input.focus();
  }
}

export const enter = element("qd-enter", Enter);
