// Before the first question: the lobby, and the seconds until it comes.

import { icon } from "../elements/icons.js";
import { View, element, fill, h } from "../lib/dom.js";
import { number, t } from "../lib/i18n.js";
import { Crowd, announce, focusOn } from "../lib/page.js";

const SHOWN = 24;

class Lobby extends View {
  client;
  #count = h("p.lobby-count");
  #rest = h("li.name.rest", { hidden: true });
  #names = h("ul.names", {}, this.#rest);
  #there = [];
  #shown = new Map();
  #gone = new Set();
  #crowd;
  #participants = 0;

  connectedCallback() {
    const { picture } = this.client;
    this.#crowd = new Crowd(this, picture.participants);
    const name = picture.you?.participantName ?? "";
    const heading = h("h1", {}, t("lobby.title", { name }));
    fill(
      this,
      h(
        "section.card.lobby",
        {},
        h("div.waves", { "aria-hidden": "true" }, h("i"), h("i"), h("i")),
        h("p.eyebrow", { dir: "auto" }, picture.title),
        heading,
        h("p.lead", {}, t("lobby.wait")),
        this.#count,
        this.#names,
        h(
          "p.lobby-end",
          {},
          picture.pin ? h("span", {}, t("lobby.pin", { pin: picture.pin })) : null,
          h(
            "button.quiet",
            { type: "button", onclick: () => this.tell("qd-leave") },
            icon("out"),
            t("leave"),
          ),
        ),
      ),
    );
    focusOn(heading);
    this.#look();
  }

  /** Ask who was there before us; later ones are told. */
  async #look() {
    const { newcomers } = this.client.picture;
    try {
      const { leaderboard, total } = await this.client.leaderboard(0, SHOWN);
      this.#there = leaderboard;
      // Where the list is whole, who came before and is not on it has been removed.
      const there = new Set(leaderboard.map(({ participantId }) => participantId));
      const ids = newcomers.map(({ participantId }) => participantId);
      this.#gone = new Set(total > SHOWN ? [] : ids.filter((id) => !there.has(id)));
    } catch {
      return; // then the names are those who came since
    }
    if (this.isConnected) this.update(this.client.picture);
  }

  /** Follow the picture. */
  update({ participants, newcomers, you }) {
    const text = t("people", { count: participants });
    fill(this.#count, icon("people"), h("strong", {}, text));
    const names = new Map(
      [you, ...newcomers, ...this.#there]
        .filter((one) => !this.#gone.has(one.participantId))
        .map((one) => [one.participantId, one.participantName]),
    );
    this.#draw([...names].slice(0, Math.min(SHOWN, participants)), you.participantId);
    const left = participants - this.#shown.size;
    this.#rest.hidden = left <= 0;
    this.#rest.textContent = t("lobby.more", { count: left });
    this.#crowd.follow(participants);
    const fewer = participants < this.#participants;
    this.#participants = participants;
    // A longer list is not whole, and so does not tell who has gone.
    if (fewer && participants <= SHOWN) this.#look();
  }

  /** Show names in their order; those that were there stay as they are. */
  #draw(names, own) {
    const before = this.#shown;
    this.#shown = new Map(
      names.map(([id, name]) => [
        id,
        before.get(id) ??
          h("li.name", { class: id === own ? "mine" : "", dir: "auto" }, name),
      ]),
    );
    for (const [id, line] of before) if (!this.#shown.has(id)) line.remove();
    for (const line of this.#shown.values()) {
      if (!line.isConnected) this.#names.insertBefore(line, this.#rest);
    }
  }
}

export const lobby = element("qd-lobby", Lobby);

class Countdown extends View {
  client;
  #number = h("p.countdown-number", { "aria-hidden": "true" });
  #below = h("p.lead");
  #until = null;

  connectedCallback() {
    const heading = h("h1", {}, t("countdown.title"));
    fill(this, h("section.card.countdown", {}, heading, this.#number, this.#below));
    focusOn(heading);
  }

  /** Follow the picture: the instant, or that it stands still. */
  update({ phase, startsAtMs }) {
    const until = phase === "paused" ? null : startsAtMs;
    if (until === this.#until && this.#below.textContent) return;
    this.#until = until;
    this.stopTimers();
    this.#below.textContent = t(phase === "paused" ? "paused" : "countdown.text");
    if (until === null) fill(this.#number, icon("pause"));
    else {
      announce(t("countdown.told", { count: this.#left() }));
      this.every(100, () => this.#draw());
    }
  }

  #left() {
    return Math.max(0, Math.ceil((this.#until - this.client.now()) / 1000));
  }

  #draw() {
    const left = this.#left();
    const text = left > 0 ? number(left) : t("countdown.go");
    if (this.#number.textContent === text) return;
    // A new node starts the animation again.
    fill(this.#number, h("span.beat", {}, text));
  }
}

export const countdown = element("qd-countdown", Countdown);
