// The lobby on the big screen: how to get in, and who is.

import { invite } from "../elements/host-invite.js";
import { icon } from "../elements/icons.js";
import { View, element, fill, h } from "../lib/dom.js";
import { number, t } from "../lib/i18n.js";
import { Crowd } from "../lib/page.js";

// However many come, only so many names are on the page: the newest.
const SHOWN = 60;
// Names change so often at most: in a crowd nobody could read them anyway.
const NAMES_MS = 200;
// More than so many at once come without a motion of their own.
const FRESH = 6;
// Who comes in a crowd is counted but not named; then the list is read.
const LOOK_MS = 1500;

class Lobby extends View {
  client;
  desk;
  #invite;
  #count = h("strong.crowd-count");
  #word = h("span");
  #hint = h("p.lead");
  #names = h("ul.names", { "aria-hidden": "true" });
  #shown = new Map();
  #there = [];
  #gone = new Set();
  #participants = -1;
  #crowd = new Crowd(this, 0);
  #looking = false;
  #stale = false;
  #resting = false;
  #behind = false;

  connectedCallback() {
    this.className = "lobby-host";
    this.#invite = invite({ desk: this.desk });
    fill(
      this,
      h("h1.lobby-title", { dir: "auto" }, this.desk.title || t("host.lobby")),
      this.#invite,
      h(
        "section.crowd",
        { "aria-labelledby": "crowd" },
        h(
          "h2.crowd-head",
          { id: "crowd" },
          icon("people"),
          this.#count,
          " ",
          this.#word,
        ),
        this.#hint,
        this.#names,
      ),
    );
  }

  /** Follow the picture. */
  update(picture) {
    const { participants } = picture;
    this.#invite.update(picture);
    const before = this.#participants;
    this.#participants = participants;
    if (before !== participants) this.#showCount(participants);
    this.#stale ||= participants < before;
    this.#follow();
  }

  /** Show the names, now or as soon as it is time. */
  #follow() {
    this.#behind = this.#resting;
    if (this.#resting) return;
    this.#resting = true;
    this.after(NAMES_MS, () => {
      this.#resting = false;
      if (this.#behind) this.#follow();
    });
    this.#showNames(this.client.picture);
    if (this.#stale) this.#look();
  }

  /** Ask who is in: those before us, those who came in a crowd, and who has gone. */
  async #look() {
    if (this.#looking) return;
    this.#looking = true;
    this.#stale = false;
    this.after(LOOK_MS, () => {
      this.#looking = false;
      this.#follow();
    });
    const { participants, newcomers } = this.client.picture;
    try {
      const offset = Math.max(0, participants - SHOWN);
      const { leaderboard } = await this.client.leaderboard(offset, SHOWN);
      this.#there = leaderboard.reverse();
      // Nobody has points yet, so the board is in the order of joining.
      const there = new Set(leaderboard.map(({ participantId }) => participantId));
      const known = newcomers.map(({ participantId }) => participantId);
      this.#gone = new Set(known.filter((id) => !there.has(id)));
    } catch {
      return; // then the names are those who came since
    }
    if (this.isConnected) this.#follow();
  }

  #showCount(participants) {
    this.#count.textContent = number(participants);
    this.#word.textContent = t("host.people", { count: participants });
    this.#hint.hidden = participants > 0;
    this.#hint.textContent = t("host.lobby.empty");
    this.#crowd.follow(participants);
  }

  #showNames({ participants, newcomers }) {
    const names = new Map();
    const due = Math.min(SHOWN, participants);
    for (const { participantId, participantName } of [...newcomers, ...this.#there]) {
      if (names.size === due) break;
      if (!this.#gone.has(participantId)) names.set(participantId, participantName);
    }
    this.#draw(names);
    this.#stale ||= names.size < due;
  }

  /** Put new names in front; those that are there stay as they are. */
  #draw(names) {
    for (const [id, line] of this.#shown) {
      if (names.has(id)) continue;
      line.remove();
      this.#shown.delete(id);
    }
    const fresh = names.size - this.#shown.size <= FRESH ? "fresh" : "";
    let behind = null;
    for (const [id, name] of names) {
      let line = this.#shown.get(id);
      if (!line) {
        line = h("li.name", { dir: "auto", class: fresh }, name);
        this.#shown.set(id, line);
        this.#names.insertBefore(
          line,
          behind ? behind.nextSibling : this.#names.firstChild,
        );
      }
      behind = line;
    }
  }
}

export const lobby = element("qd-host-lobby", Lobby);
