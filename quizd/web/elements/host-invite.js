// The way in for players: address, PIN and QR code, large in the lobby, small later on.

import { View, element, fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { hostIcon } from "./host-icons.js";
import { icon } from "./icons.js";

/** Return a PIN as it is easy to read out: in two groups. */
export function grouped(pin) {
  return pin.replace(/^(\d{3})(\d{3})$/, "$1 $2");
}

class Invite extends View {
  desk;
  #shown = "";

  connectedCallback() {
    this.className = "invite";
  }

  /** Follow the picture, whose PIN comes with the first welcome. */
  update({ pin, quizId }) {
    const { joinAddress, locked } = this.desk;
    const now = JSON.stringify([pin, joinAddress, locked]);
    if (now === this.#shown) return;
    this.#shown = now;
    const address = pin ?? quizId;
    this.classList.toggle("locked", locked);
    fill(
      this,
      h(
        "div.invite-steps",
        {},
        h(
          "p.invite-step",
          {},
          h("span.invite-what", {}, t("host.join.at")),
          h("strong.invite-address", { dir: "ltr" }, joinAddress),
        ),
        h(
          "p.invite-step",
          {},
          h("span.invite-what", {}, t(pin ? "host.join.pin" : "host.join.quiz")),
          h("strong.invite-pin", { dir: "ltr" }, grouped(address)),
        ),
        locked
          ? h("p.invite-locked", {}, hostIcon("lock"), t("host.locked.told"))
          : null,
      ),
      h("img.invite-code", {
        src: `/play/${encodeURIComponent(address)}/qr.svg`,
        alt: t("host.join.code", { address: `${joinAddress}/play/${address}` }),
        width: 400,
        height: 400,
      }),
    );
  }
}

export const invite = element("qd-host-invite", Invite);

class Place extends View {
  desk;
  #shown = "";

  connectedCallback() {
    this.className = "host-place";
  }

  /** Follow the picture: whoever comes late finds the way in the head. */
  update({ pin, participants, phase, epoch }) {
    const { title, locked, joinAddress } = this.desk;
    const now = [title, pin, participants, locked, phase, epoch, t("host.join.pin")];
    if (String(now) === this.#shown) return;
    this.#shown = String(now);
    const late = epoch !== null && phase !== "lobby" && phase !== "ended";
    fill(
      this,
      h("span.host-title", { dir: "auto" }, late ? title : ""),
      late && pin
        ? h(
            "span.host-way",
            {},
            h("span.host-address", { dir: "ltr" }, joinAddress),
            h("strong", { dir: "ltr" }, h("span.sr", {}, "PIN "), grouped(pin)),
            locked ? h("span.host-lock", {}, hostIcon("lock"), t("host.locked")) : null,
          )
        : null,
      late
        ? h(
            "span.host-people",
            {},
            icon("people"),
            t("people", { count: participants }),
          )
        : null,
    );
  }
}

export const place = element("qd-host-place", Place);
