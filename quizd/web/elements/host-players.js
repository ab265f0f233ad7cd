// Everybody who is in, with a search, and a way to take somebody out.

import { View, element, fill, h } from "../lib/dom.js";
import { number, t } from "../lib/i18n.js";
import { announce } from "../lib/page.js";
import { nameOf } from "./board.js";
import { choices, closer, sheet } from "./host-dialogs.js";
import { hostIcon } from "./host-icons.js";
import { everybody, rows } from "./host-rows.js";

// After somebody came or went, the list is read again, but not more often than this.
const AGAIN_MS = 4000;

class Players extends View {
  desk;
  #lines = [];
  #reading = false;
  #stale = false;
  #participants = -1;
  #search = h("input", {
    type: "text",
    id: "players-search",
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => this.#draw(),
  });
  #count = h("p.players-count", { role: "status" });
  #list = rows({ label: t("host.players.title"), make: (line) => this.#line(line) });
  #ask = h("div.players-ask", { hidden: true });

  connectedCallback() {
    this.className = "players";
    fill(
      this,
      h(
        "div.field",
        {},
        h("label", { for: "players-search" }, t("host.players.search")),
        this.#search,
      ),
      this.#count,
      this.#list,
      this.#ask,
    );
    this.listen(this.desk.client, "change", () => this.#look());
    this.#look();
  }

  /** Read the list, and again whenever somebody comes or goes. */
  async #look() {
    const { participants } = this.desk.client.picture;
    if (participants === this.#participants && !this.#stale) return;
    this.#stale = true;
    if (this.#reading) return;
    this.#reading = true;
    this.#stale = false;
    this.#participants = participants;
    try {
      let read = [];
      for await (read of everybody(this.desk.client)) {
        if (read.length > this.#lines.length) this.#take(read);
      }
      this.#take(read);
    } catch {
      fill(this.#count, t("host.players.unread"));
    }
    this.after(AGAIN_MS, () => {
      this.#reading = false;
      this.#look();
    });
  }

  #take(lines) {
    this.#lines = lines;
    if (this.isConnected) this.#draw();
  }

  #draw() {
    const wanted = this.#search.value.trim().toLocaleLowerCase();
    const found = wanted
      ? this.#lines.filter((line) => nameOf(line).toLocaleLowerCase().includes(wanted))
      : this.#lines;
    const text = wanted
      ? t("host.players.found", { count: found.length, of: this.#lines.length })
      : t("people", { count: this.#lines.length });
    if (this.#count.textContent !== text) this.#count.textContent = text;
    this.#list.show(found);
  }

  #line(line) {
    const name = nameOf(line);
    return [
      h("span.players-name.clip", { dir: "auto" }, name),
      h("span.players-score", {}, t("points", { count: line.score })),
      h(
        "button.small",
        {
          type: "button",
          "aria-label": t("host.kick.of", { name }),
          onclick: () => this.#wantsOut(line),
        },
        hostIcon("remove"),
        t("host.kick"),
      ),
    ];
  }

  #wantsOut(line) {
    const name = nameOf(line);
    const ban = h("input", { type: "checkbox" });
    const sure = h(
      "button.danger",
      { type: "button", onclick: () => this.#kick(line, ban.checked) },
      t("host.kick.sure"),
    );
    this.#asking(true);
    fill(
      this.#ask,
      h("h3", { id: "kick-title" }, t("host.kick.title", { name })),
      h("label.switch", {}, ban, h("span", {}, t("host.kick.ban"))),
      choices(
        h(
          "button",
          { type: "button", onclick: () => this.#asking(false) },
          t("host.cancel"),
        ),
        sure,
      ),
    );
    this.#ask.setAttribute("role", "group");
    this.#ask.setAttribute("aria-labelledby", "kick-title");
    sure.focus();
  }

  #asking(asking) {
    this.#ask.hidden = !asking;
    this.#list.hidden = asking;
    if (asking) return;
    this.#draw(); // while it was hidden, it had no height to fill with lines
    this.#search.focus();
  }

  async #kick(line, ban) {
    const { participantId } = line;
    const done = await this.desk.lead.set("kick", { participantId, ban });
    if (!done) {
      this.closest("dialog").close(); // the controls tell what went wrong
      return;
    }
    announce(t("host.kick.done", { name: nameOf(line) }), { urgent: true });
    this.#lines = this.#lines.filter((one) => one.participantId !== participantId);
    this.#asking(false);
  }
}

const players = element("qd-host-players", Players);

/** Show who is in. */
export function listPlayers(desk) {
  return sheet(
    "people",
    t("host.players.title"),
    players({ desk }),
    choices(closer(t("host.done"))),
  );
}

/** Return a line of the final board, for a list of all. */
export function finalLine({ rank, score, ...line }) {
  return [
    h("span.ranks-rank", {}, number(rank)),
    h("span.players-name.clip", { dir: "auto" }, nameOf(line)),
    h("span.ranks-score", {}, number(score)),
  ];
}
