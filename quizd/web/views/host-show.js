// From the lobby to the podium: which view is due, and what is around it.

import { Memory } from "../client/basics.js";
import { controls } from "../elements/host-controls.js";
import { place } from "../elements/host-invite.js";
import { status } from "../elements/status.js";
import { t } from "../lib/i18n.js";
import { announce } from "../lib/page.js";
import { ending } from "./host-ending.js";
import { Lead } from "./host-lead.js";
import { lobby } from "./host-lobby.js";
import { asked } from "./host-question.js";
import { countdown, standing, waiting } from "./host-standing.js";

/** What the views and the controls of one session share. */
class Desk extends EventTarget {
  /** Whether the board is wanted in place of the answers. */
  boardWanted = false;
  /** The board of the reveal before this one: what its lines move away from. */
  boardBefore = [];
  #board = [];
  #revealed = null;
  #session = null;
  // The server has the board of now only; a reload shall not lose what has moved.
  #memory = new Memory(() => sessionStorage, "quizd.host.boards");

  constructor(client) {
    super();
    this.client = client;
    this.lead = new Lead(client);
  }

  /** The quiz's title, "" while it is not known. */
  get title() {
    return this.client.picture.title;
  }

  /** Where players join, as people write it. */
  get joinAddress() {
    const { joinUrl } = this.client.ticket ?? {};
    return joinUrl ? new URL(joinUrl).host : location.host;
  }

  /** Whether nobody may join. */
  get locked() {
    return this.client.picture.locked;
  }

  /** Take nobody any more, or everybody again. */
  lock(locked) {
    this.lead.set("lock", { locked });
  }

  /** Follow the picture: keep the board of each reveal for the next one. */
  follow({ sessionId, question, reveal, leaderboard }) {
    if (sessionId !== this.#session) this.#recall(sessionId);
    if (!reveal) this.boardWanted = false;
    else if (leaderboard !== this.#board) this.#keep(question, leaderboard);
    this.lead.follow();
  }

  #recall(sessionId) {
    this.#session = sessionId;
    const kept = this.#memory.load();
    if (!kept || kept.session !== sessionId) return;
    this.boardBefore = kept.before;
    this.#board = kept.board;
    this.#revealed = kept.revealed;
  }

  #keep({ questionId }, leaderboard) {
    if (this.#revealed !== questionId) this.boardBefore = this.#board;
    this.#revealed = questionId;
    this.#board = leaderboard;
    this.#memory.save({
      session: this.#session,
      before: this.boardBefore,
      board: leaderboard,
      revealed: questionId,
    });
  }

  /** Have everybody draw. */
  tell() {
    this.dispatchEvent(new Event("change"));
  }
}

export class Show {
  #page;
  #client;
  #quiz;
  #desk = null;
  #view = null;
  #key = "";
  #due = false;

  constructor(page, client, quiz) {
    this.#page = page;
    this.#client = client;
    this.#quiz = quiz;
    client.addEventListener("change", () => this.#soon());
    addEventListener("quizd:language", () => {
      this.#key = "";
      this.#soon();
    });
    document.addEventListener("visibilitychange", () => this.#stayAwake());
  }

  /** Put the session on the stage; the client has begun with it. */
  begin() {
    const client = this.#client;
    this.#desk = new Desk(client);
    this.#key = "";
    this.#desk.addEventListener("change", () => this.#soon());
    const line = status();
    this.#page.head.replaceChildren(place({ desk: this.#desk }), line);
    line.watch(client);
    this.#page.foot.replaceChildren(controls({ desk: this.#desk }));
    this.#stayAwake();
    this.#soon();
  }

  /** Take it off, and forget the token. */
  end() {
    this.#desk = null;
    this.#client.leave();
    this.#page.head.replaceChildren();
    this.#page.foot.replaceChildren();
    this.#page.foot.hidden = true;
  }

  /** Draw once in a frame, however much changes; without frames when nobody looks. */
  #soon() {
    if (this.#due) return;
    this.#due = true;
    const draw = () => {
      this.#due = false;
      if (this.#desk && this.#client.ticket) this.#draw();
    };
    if (document.visibilityState === "visible") requestAnimationFrame(draw);
    else queueMicrotask(draw);
  }

  #draw() {
    const client = this.#client;
    const { picture, state } = client;
    const desk = this.#desk;
    desk.follow(picture);
    const [make, key] = due(client, desk);
    if (key !== this.#key) this.#change(make, key);
    this.#view.update(picture);
    this.#page.foot.hidden =
      picture.epoch === null || state === "failed" || state === "ended";
    for (const part of [this.#page.head.firstChild, this.#page.foot.firstChild]) {
      part.update(picture);
    }
    document.title = t("host.title", { title: desk.title || this.#quiz });
  }

  #change(make, key) {
    this.#key = key;
    this.#view = make({ client: this.#client, desk: this.#desk });
    // Who leads by keys or by voice keeps the place among the controls.
    const stays = this.#page.foot.contains(document.activeElement);
    this.#page.show(this.#view);
    const heading = this.#view.querySelector("h1");
    if (!heading) return;
    heading.tabIndex = -1;
    if (!stays && !document.querySelector("dialog[open]")) {
      heading.focus({ preventScroll: true });
    } else announce(heading.textContent);
  }

  /** Keep the screen on; browsers give that back whenever the page is hidden. */
  async #stayAwake() {
    if (!this.#desk || document.visibilityState !== "visible") return;
    await navigator.wakeLock?.request("screen").catch(() => null);
  }
}

/** Return the view that is due, and a key that changes when another one is. */
function due(client, desk) {
  const { state, info, picture } = client;
  if (state === "failed") return [waiting, `failed ${info.reason}`];
  if (picture.epoch === null) return [waiting, "connecting"];
  if (state === "ended" || picture.phase === "ended") return [ending, "ending"];
  const phase = picture.phase === "paused" ? picture.before : picture.phase;
  if (phase === "lobby") return [lobby, "lobby"];
  if (phase === "starting") return [countdown, "countdown"];
  const { question, epoch, open, reveal } = picture;
  if (question && (open || reveal) && !desk.boardWanted) {
    return [asked, `question ${epoch} ${question.questionId}`];
  }
  return [standing, "standing"];
}
