// What is around every view: the head with name, line and settings, and the stage.

import { View, element, fill, h } from "../lib/dom.js";
import { LANGUAGES, speak, t } from "../lib/i18n.js";
import { announce, choose, chosen, shortcutsOn } from "../lib/page.js";
import { icon, mark } from "./icons.js";

/** Draw a page's frame into *root*; return `{stage, head, foot, show, loading}`. */
export function shell(root) {
  const brand = h("a.brand", { href: "/" }, mark(), h("span", {}, "quizd"));
  const head = h("div.head-middle");
  const stage = h("main.stage", { id: "stage" });
  const foot = h("footer.foot", { hidden: true });
  fill(root, h("header.head", {}, brand, head, settings()), stage, foot);
  return {
    stage,
    head,
    foot,
    /** Put *view* on the stage in place of what is there. */
    show(view) {
      fill(stage, view);
      scrollTo(0, 0);
    },
    /** Say that something is on its way. */
    loading() {
      fill(stage, h("p.loading", {}, h("span.spinner"), t("loading")));
      announce(t("loading"));
    },
  };
}

class Settings extends View {
  #dialog = null;

  connectedCallback() {
    this.#draw();
    this.listen(globalThis, "quizd:language", () => this.#draw());
  }

  #draw() {
    const open = this.#dialog?.open ?? false;
    this.#dialog = h(
      "dialog.sheet",
      { "aria-labelledby": "settings-title" },
      h("h2", { id: "settings-title" }, t("settings.title")),
      this.#group("language", t("settings.language"), Object.entries(LANGUAGES)),
      this.#group("theme", t("settings.theme"), [
        ["auto", t("settings.theme.auto")],
        ["light", t("settings.theme.light")],
        ["dark", t("settings.theme.dark")],
      ]),
      this.#shortcuts(),
      h(
        "button.primary",
        { type: "button", onclick: () => this.#dialog.close() },
        t("settings.done"),
      ),
    );
    fill(
      this,
      h(
        "button.quiet.square",
        {
          type: "button",
          "aria-label": t("settings.open"),
          "aria-haspopup": "dialog",
          onclick: () => this.#dialog.showModal(),
        },
        icon("gear"),
      ),
      this.#dialog,
    );
    if (open) this.#dialog.showModal();
  }

  #group(what, title, values) {
    const now =
      what === "language" ? document.documentElement.lang : (chosen("theme") ?? "auto");
    return h(
      "fieldset.segments",
      {},
      h("legend", {}, title),
      values.map(([value, text]) =>
        h(
          "label.segment",
          { lang: what === "language" ? value : null },
          h("input", {
            type: "radio",
            name: what,
            value,
            checked: value === now,
            onchange: () => pick(what, value),
          }),
          h("span", {}, text),
        ),
      ),
    );
  }

  #shortcuts() {
    return h(
      "label.switch",
      {},
      h("input", {
        type: "checkbox",
        role: "switch",
        checked: shortcutsOn(),
        onchange: (event) => choose("shortcuts", event.target.checked ? "on" : "off"),
      }),
      h("span", {}, t("settings.shortcuts")),
    );
  }
}

async function pick(what, value) {
  if (what === "language") {
    await speak(value);
    // Where nothing can be kept, the page still follows.
    document.documentElement.lang = value;
  }
  choose(what, value);
  if (chosen(what) !== value) {
    if (what === "theme") document.documentElement.dataset.theme = value;
    dispatchEvent(new Event(`quizd:${what}`));
  }
  document.querySelector(`qd-settings input[name=${what}]:checked`)?.focus();
}

export const settings = element("qd-settings", Settings);
