// What a host is asked and told in dialogs: the end, the keys, a second device.

import { View, element, fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { announce } from "../lib/page.js";

/** Return a dialog with a title; it is on the page only while it is open. */
export function sheet(name, title, ...children) {
  const id = `${name}-title`;
  const dialog = h(
    "dialog.sheet",
    { class: name, "aria-labelledby": id },
    h("h2", { id }, title),
    children,
  );
  dialog.addEventListener("close", () => dialog.remove());
  return dialog;
}

/** Return the line of buttons at the foot of a dialog. */
export function choices(...buttons) {
  return h("div.sheet-choices", {}, buttons);
}

/** Return a button that closes the dialog around it. */
export function closer(text) {
  return h(
    "button",
    { type: "button", onclick: (event) => event.target.closest("dialog").close() },
    text,
  );
}

/** Ask whether to end the quiz; *end* does it. */
export function askEnd(end) {
  const sure = h(
    "button.danger",
    {
      type: "button",
      onclick: () => {
        dialog.close();
        end();
      },
    },
    t("host.end.sure"),
  );
  const dialog = sheet(
    "end",
    t("host.end.title"),
    h("p.lead", {}, t("host.end.text")),
    choices(closer(t("host.cancel")), sure),
  );
  return dialog;
}

const KEYS = [
  ["Space", "Enter", "N", "host.keys.main"],
  ["P", "host.keys.pause"],
  ["S", "host.keys.skip"],
  ["B", "host.keys.board"],
  ["L", "host.keys.lock"],
  ["F", "host.keys.full"],
  ["?", "host.keys.help"],
];

/** Show which key does what. */
export function tellKeys() {
  const lines = KEYS.map((line) => {
    const keys = line
      .slice(0, -1)
      .map((key) => (key === "Space" ? t("host.space") : key));
    return [
      h(
        "dt",
        {},
        keys.map((key) => h("kbd", {}, key)),
      ),
      h("dd", {}, t(line.at(-1))),
    ];
  });
  return sheet(
    "keys",
    t("host.keys.title"),
    h("dl.keys-list", {}, lines),
    h("p.hint", {}, t("host.keys.off")),
    choices(closer(t("host.done"))),
  );
}

class Link extends View {
  url;
  #box = h("input.secret-link", { type: "text", readonly: true, hidden: true });

  connectedCallback() {
    this.#box.value = this.url;
    this.#box.setAttribute("aria-label", t("host.second.link"));
    fill(
      this,
      h(
        "button.primary.wide",
        { type: "button", onclick: () => this.#copy() },
        t("host.second.copy"),
      ),
      this.#box,
    );
  }

  /** Copy it; where the browser doesn't let us, show it to be copied by hand. */
  async #copy() {
    try {
      await navigator.clipboard.writeText(this.url);
      this.querySelector("button").textContent = t("host.second.copied");
      announce(t("host.second.copied"));
    } catch {
      this.#box.hidden = false;
      this.#box.select();
    }
  }
}

const link = element("qd-host-link", Link);

/** Offer the link by which another device leads as well. */
export function offerLink(url) {
  return sheet(
    "second",
    t("host.second.title"),
    h("p.lead", {}, t("host.second.text")),
    link({ url }),
    choices(closer(t("host.done"))),
  );
}
