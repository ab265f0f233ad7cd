// The controls: one main button that knows what comes next, and tools beside it.

import { View, element, fill, h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { shortcutsOn } from "../lib/page.js";
import { mainOf } from "../views/host-lead.js";
import { askEnd, offerLink, tellKeys } from "./host-dialogs.js";
import { hostIcon } from "./host-icons.js";
import { listPlayers } from "./host-players.js";
import { icon } from "./icons.js";

const TOLD = new Set([
  "forbidden",
  "unauthorized",
  "session_not_found",
  "rate_limited",
  "shard_unavailable",
  "unreachable",
]);
const PAUSABLE = new Set(["starting", "question", "reveal"]);
const SHARED_ICONS = new Set(["pause", "people"]);

class Controls extends View {
  desk;
  #shown = "";
  #main = h("button.primary.big.desk-main", {
    type: "button",
    onclick: () => this.desk.lead.main(),
  });
  #problem = h("div.desk-problem", { role: "alert" });
  #group = h("div.desk-tools", { role: "group" });
  #tools = {
    pause: tool(() => this.#togglePause()),
    skip: tool(() => this.#skipOrBoard()),
    lock: tool(() => this.desk.lock(!this.desk.locked)),
    players: tool(() => open(listPlayers(this.desk))),
    second: tool(() => open(offerLink(this.#link))),
    full: tool(toggleFull, "only-big"),
    keys: tool(() => open(tellKeys()), "only-keys"),
    end: tool(() => this.#askEnd(), "last"),
  };

  // What a key does; the main button's come besides.
  #keys = {
    n: () => this.desk.lead.main(),
    p: () => this.#togglePause(),
    s: () => this.#picture.phase === "question" && this.#skipOrBoard(),
    b: () => this.#picture.reveal && this.#skipOrBoard(),
    l: () => this.desk.lock(!this.desk.locked),
    f: toggleFull,
    "?": () => open(tellKeys()),
  };

  connectedCallback() {
    this.className = "desk";
    if (!document.fullscreenEnabled) this.#tools.full.hidden = true;
    fill(this, this.#problem, this.#main, this.#group);
    fill(this.#group, Object.values(this.#tools));
    const draw = () => this.update(this.#picture);
    this.listen(this.desk.lead, "change", draw);
    this.listen(document, "fullscreenchange", draw);
    this.listen(document, "keydown", (event) => this.#key(event));
  }

  get #picture() {
    return this.desk.client.picture;
  }

  get #link() {
    const { quizId, token } = this.desk.client.ticket;
    return `${location.origin}/host/${encodeURIComponent(quizId)}#token=${token}`;
  }

  /** Follow the picture. */
  update(picture) {
    const { lead, locked, boardWanted } = this.desk;
    const full = document.fullscreenElement !== null;
    const { ready, busy, problem } = lead;
    const main = mainOf(picture);
    const { phase, reveal, question } = picture;
    const asked = Boolean(reveal && question);
    const now = JSON.stringify([
      [main, phase, asked, locked, boardWanted, full],
      [ready, busy, problem, document.documentElement.lang],
    ]);
    if (now === this.#shown) return;
    this.#shown = now;
    this.#group.setAttribute("aria-label", t("host.controls"));
    this.#drawMain(main, lead);
    this.#drawProblem(problem);
    this.#drawTools({ phase, asked, locked, boardWanted, full });
    this.#tools.skip.setAttribute("aria-disabled", String(!ready));
  }

  #drawMain(main, { ready, busy }) {
    this.#main.hidden = main === null;
    if (!main) return;
    // It stays the same element and focusable, so that the focus may stay on it.
    this.#main.setAttribute("aria-disabled", String(!ready));
    const spins = busy === main.command;
    fill(this.#main, spins ? h("span.spinner") : hostIcon("play"), t(main.text));
  }

  #drawProblem(problem) {
    fill(this.#problem);
    if (!problem) return;
    const code = TOLD.has(problem.code) ? problem.code : "internal";
    fill(
      this.#problem,
      icon("cross"),
      h("span", {}, t("host.problem"), " ", t(`host.problem.${code}`)),
      h(
        "button.small",
        { type: "button", onclick: () => this.desk.lead.forgive() },
        t("host.problem.seen"),
      ),
    );
  }

  #drawTools({ phase, asked, locked, boardWanted, full }) {
    const { pause, skip, lock, players, second, keys, end } = this.#tools;
    face(pause, "pause", "host.pause"); // to resume is for the main button
    pause.disabled = !PAUSABLE.has(phase);
    if (asked && boardWanted) face(skip, "answers", "host.answers");
    else if (asked) face(skip, "board", "host.board");
    else face(skip, "skip", "host.skip");
    skip.disabled = !asked && phase !== "question";
    face(lock, locked ? "unlock" : "lock", locked ? "host.unlock" : "host.lock");
    face(players, "people", "host.players");
    face(second, "devices", "host.second");
    face(this.#tools.full, "full", full ? "host.full.end" : "host.full");
    face(keys, "keys", "host.keys");
    face(end, "stop", "host.end");
  }

  #togglePause() {
    const { phase } = this.#picture;
    if (phase === "paused") this.desk.lead.move("resume");
    else if (PAUSABLE.has(phase)) this.desk.lead.move("pause");
  }

  #skipOrBoard() {
    const { lead } = this.desk;
    const { phase, reveal } = this.#picture;
    if (!lead.ready) return; // it was meant for what was there before
    if (reveal) {
      this.desk.boardWanted = !this.desk.boardWanted;
      this.desk.tell();
    } else if (phase === "question") lead.move("skip");
  }

  #askEnd() {
    open(askEnd(() => this.desk.lead.set("end")));
  }

  #key(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (this.closest("[hidden]") || document.querySelector("dialog[open]")) return;
    if (!shortcutsOn() || target.matches("input, select, textarea")) return;
    const main = key === " " || key === "Enter";
    // On a button they mean that button.
    if (main && target.matches("button, a, audio, video")) return;
    const act = main ? this.#keys.n : this.#keys[key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

function tool(act, kind = "") {
  return h("button.desk-tool", { type: "button", class: kind, onclick: act });
}

/** Give a tool its picture and its word. */
function face(button, picture, text) {
  const image = SHARED_ICONS.has(picture) ? icon(picture) : hostIcon(picture);
  fill(button, image, h("span", {}, t(text)));
}

function open(dialog) {
  document.getElementById("page").append(dialog);
  dialog.showModal();
}

function toggleFull() {
  if (!document.fullscreenEnabled) return;
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen();
}

export const controls = element("qd-host-controls", Controls);
