// When there is no game to show, and the strip below one: who, and where one stands.

import { icon } from "../elements/icons.js";
import { View, element, fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { announce, focusOn } from "../lib/page.js";

// What can be tried again from here, and with which word.
const AGAIN = { unreachable: "notice.retry", replaced: "notice.here" };
const TOLD = new Set([
  "unreachable",
  "replaced",
  "kicked",
  "banned",
  "removed",
  "unauthorized",
  "session_not_found",
  "over",
]);

class Notice extends View {
  client;

  /** Follow the client: reaching, or failed and why. */
  update() {
    const { state, info } = this.client;
    const key = state === "failed" ? info.reason : "connecting";
    if (key === this.dataset.about) return;
    this.dataset.about = key;
    if (state === "failed") this.#failed(info.reason);
    else this.#connecting();
  }

  #connecting() {
    fill(this, h("p.loading", {}, h("span.spinner"), t("notice.connecting")));
    announce(t("notice.connecting"));
  }

  #failed(reason) {
    const about = TOLD.has(reason) ? reason : "other";
    const heading = h("h1", {}, t(`notice.${about}.title`));
    const again = AGAIN[reason];
    fill(
      this,
      h(
        "section.card.notice",
        {},
        h("div.notice-icon", {}, icon(again ? "offline" : "out")),
        heading,
        h("p.lead", {}, t(`notice.${about}.text`)),
        again
          ? h(
              "button.primary.wide",
              { type: "button", onclick: () => this.tell("qd-retry") },
              t(again),
            )
          : null,
        h(
          "button.wide",
          {
            class: again ? "" : "primary",
            type: "button",
            onclick: () => this.tell("qd-leave"),
          },
          t("notice.leave"),
        ),
      ),
    );
    focusOn(heading);
  }
}

export const notice = element("qd-notice", Notice);

class Place extends View {
  client;

  connectedCallback() {
    this.className = "place";
    this.listen(this.client, "change", () => this.#draw());
    this.listen(globalThis, "quizd:language", () => this.#draw());
    this.#draw();
  }

  #draw() {
    const { you, phase } = this.client.picture;
    if (!you) return;
    const ranked = phase !== "lobby" && phase !== "starting" && you.rank > 0;
    fill(
      this,
      h("span.place-name", { dir: "auto" }, you.participantName),
      h("span.place-score", {}, t("points", { count: you.score })),
      ranked
        ? h("span.place-rank", {}, t("place.short", { rank: you.rank, of: you.of }))
        : null,
    );
  }
}

export const place = element("qd-place", Place);
