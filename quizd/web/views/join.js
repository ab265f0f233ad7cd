// The way in: a PIN or one of the quizzes that can be joined, and a name.

import { randomKey } from "../client/basics.js";
import { Rest } from "../client/rest.js";
import { badge, icon } from "../elements/icons.js";
import { View, element, fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { choose, chosen, focusOn } from "../lib/page.js";

const NAME_MAX_CHARS = 40;
const SHAPES = [0, 1, 2, 3, 4, 5];
const TOLD = new Set([
  "session_not_found",
  "session_full",
  "session_locked",
  "forbidden",
  "rate_limited",
  "invalid_message",
  "shard_unavailable",
  "unreachable",
]);

class Join extends View {
  // Set by who makes it: the page's frame, the quiz in its address, what a reload has
  // left, and a promise of the game's module.
  page;
  quiz = "";
  left = null;
  game;

  #name = chosen("name") ?? "";
  #title = "";
  #pin;
  #nameInput;
  #problem;
  #button;
  #key = null;

  connectedCallback() {
    this.#draw();
    this.listen(this, "qd-chosen", ({ detail }) => this.#choose(detail));
    this.listen(globalThis, "quizd:language", () => this.#draw());
  }

  #draw() {
    document.title = t("title.join");
    this.className = "join";
    this.#problem = h("p.problem", { id: "problem", role: "alert" });
    this.#button = h("button.primary.wide.big", { type: "submit" }, t("join.go"));
    fill(
      this,
      h(
        "section.card.join-card",
        {},
        h(
          "div.join-shapes",
          { "aria-hidden": "true" },
          SHAPES.map((n) => badge(n, "")),
        ),
        h("h1", {}, t("join.title")),
        h("p.lead", {}, t("join.lead")),
        h(
          "form",
          { novalidate: true, onsubmit: (event) => this.#submit(event) },
          this.quiz ? this.#chosenQuiz() : this.#pinField(),
          this.#nameField(),
          this.#problem,
          this.#button,
        ),
      ),
      this.left ? this.#wayBack() : null,
      this.quiz ? null : openQuizzes({ rest: new Rest(location.origin) }),
    );
  }

  #pinField() {
    this.#pin = h("input.pin", {
      id: "pin",
      name: "pin",
      type: "text",
      inputmode: "numeric",
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      enterkeyhint: "next",
      maxlength: 64,
      "aria-describedby": "problem",
    });
    return h("div.field", {}, h("label", { for: "pin" }, t("join.pin")), this.#pin);
  }

  #chosenQuiz() {
    this.#pin = null;
    const isPin = /^\d{6}$/.test(this.quiz);
    const shown = isPin ? this.quiz.replace(/(...)(...)/, "$1 $2") : this.quiz;
    return h(
      "div.chosen",
      {},
      h("span.chosen-what", {}, t(isPin ? "join.pin" : "join.quiz")),
      h("strong", { class: isPin ? "pin-shown" : "" }, this.#title || shown),
      h(
        "button.small",
        { type: "button", onclick: () => this.#choose(null) },
        t("join.other"),
      ),
    );
  }

  #nameField() {
    this.#nameInput = h("input", {
      id: "name",
      name: "name",
      type: "text",
      value: this.#name,
      autocomplete: "nickname",
      maxlength: NAME_MAX_CHARS,
      enterkeyhint: "go",
      "aria-describedby": "problem",
      oninput: (event) => {
        this.#name = event.target.value;
      },
    });
    return h(
      "div.field",
      {},
      h("label", { for: "name" }, t("join.name")),
      this.#nameInput,
    );
  }

  #wayBack() {
    const { picture } = this.left;
    const name = picture?.you?.participantName ?? "";
    return h(
      "section.card.way-back",
      { "aria-labelledby": "way-back" },
      h("p", { id: "way-back" }, t("join.still", { name })),
      h(
        "button",
        { type: "button", onclick: () => this.#goBack() },
        icon("refresh"),
        t("join.back"),
      ),
    );
  }

  async #goBack() {
    (await this.game).resume(this.page);
  }

  #choose(line) {
    this.quiz = line?.quizId ?? "";
    this.#title = line?.title ?? "";
    this.#draw();
    (this.#pin ?? this.#nameInput).focus();
  }

  async #submit(event) {
    event.preventDefault();
    const quiz = this.quiz || this.#pin.value.replace(/\s/g, "");
    const name = this.#name.trim();
    if (!quiz) this.#complain(t("join.nopin"), this.#pin);
    else if (!name) this.#complain(t("join.noname"), this.#nameInput);
    else await this.#go(quiz, name);
  }

  async #go(quiz, name) {
    if (this.#button.getAttribute("aria-disabled") === "true") return;
    this.#busy(t("join.going"));
    choose("name", name);
    // One key for one wish: tries that got lost on the way make no second player.
    if (this.#key?.wish !== `${quiz} ${name}`) {
      this.#key = { wish: `${quiz} ${name}`, key: randomKey() };
    }
    try {
      const { enter } = await this.game;
      await enter(this.page, quiz, name, {
        key: this.#key.key,
        tell: ({ attempt, of }) => this.#busy(t("join.again", { count: attempt, of })),
      });
    } catch (error) {
      this.#refused(error);
    }
  }

  #busy(text) {
    this.#button.setAttribute("aria-disabled", "true");
    fill(this.#button, h("span.spinner"), text);
    this.#problem.textContent = "";
  }

  #refused(error) {
    const code = TOLD.has(error.code) ? error.code : "internal";
    this.#button.removeAttribute("aria-disabled");
    fill(this.#button, t("join.go"));
    const ofName = code === "invalid_message";
    this.#complain(t(`join.refused.${code}`), ofName ? this.#nameInput : this.#pin);
    if (!error.passing) this.#key = null;
  }

  #complain(text, input) {
    this.#problem.textContent = text;
    for (const one of [this.#pin, this.#nameInput])
      one?.removeAttribute("aria-invalid");
    if (input) {
      input.setAttribute("aria-invalid", "true");
      input.focus();
    } else focusOn(this.querySelector("h1"));
  }
}

export const join = element("qd-join", Join);

const EVERY_MS = 5000;
const MOST = 50;

class OpenQuizzes extends View {
  rest;
  #shown = "";
  #list = h("ul.quiz-list");

  connectedCallback() {
    this.hidden = true;
    fill(
      this,
      h(
        "section",
        { "aria-labelledby": "open-quizzes" },
        h("h2", { id: "open-quizzes" }, t("open.title")),
        this.#list,
      ),
    );
    this.every(EVERY_MS, () => this.#look());
  }

  async #look() {
    if (document.visibilityState === "hidden") return;
    try {
      this.#draw(await this.rest.joinable(MOST));
    } catch {
      // The form says what is wrong when it is used; a list that is late says nothing.
    }
  }

  #draw(lines) {
    const text = JSON.stringify(lines);
    if (text === this.#shown) return;
    this.#shown = text;
    const focused = document.activeElement?.dataset.quiz;
    this.hidden = lines.length === 0;
    fill(
      this.#list,
      lines.map((line) => this.#line(line)),
    );
    if (focused) this.querySelector(`[data-quiz="${CSS.escape(focused)}"]`)?.focus();
  }

  #line(line) {
    const { quizId, title, phase, participants, level, language } = line;
    const waiting = phase === "lobby" || phase === "starting";
    return h(
      "li",
      {},
      h(
        "button.quiz-line",
        {
          type: "button",
          "data-quiz": quizId,
          onclick: () => this.tell("qd-chosen", line),
        },
        h("span.quiz-title", { dir: "auto", lang: language }, title),
        h(
          "span.quiz-more",
          {},
          h("span.dot", { class: waiting ? "waiting" : "running" }),
          t(waiting ? "open.waiting" : "open.running"),
          level ? h("span.tag", {}, level) : null,
          h(
            "span.quiz-people",
            {},
            icon("people"),
            t("people", { count: participants }),
          ),
        ),
      ),
    );
  }
}

export const openQuizzes = element("qd-open-quizzes", OpenQuizzes);
