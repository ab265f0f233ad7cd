// From the lobby to the podium: which view is due, and what is around it.

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

const LIST_MAX = 200;

/** What the views and the controls of one session share. */
class Desk extends EventTarget {
  /** The quiz's title, "" while it is not known. */
  title = "";
  /** Whether the board is wanted in place of the answers. */
  boardWanted = false;
  /** The board of the reveal before this one: what its lines move away from. */
  boardBefore = [];
  #board = [];
  #revealed = null;

  constructor(client) {
    super();
    this.client = client;
    this.lead = new Lead(client);
  }

  /** Where players join, as people write it. */
  get joinAddress() {
    const { joinUrl } = this.client.ticket ?? {};
    return joinUrl ? new URL(joinUrl).host : location.host;
  }

  /** Whether nobody may join; who led it last from this device knows. */
  get locked() {
    const { picture, ticket } = this.client;
    return picture.host?.locked ?? ticket?.locked ?? false;
  }

  /** Take nobody any more, or everybody again. */
  async lock(locked) {
    if (!(await this.lead.set("lock", { locked }))) return;
    this.client.ticket.locked = locked;
    this.tell();
  }

  /** Follow the picture: keep the board of each reveal for the next one. */
  follow({ question, reveal, leaderboard }) {
    if (!reveal) this.boardWanted = false;
    else if (question) {
      if (this.#revealed !== question.questionId) this.boardBefore = this.#board;
      this.#revealed = question.questionId;
      this.#board = leaderboard;
    }
    this.lead.follow();
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
    this.#desk.title = client.ticket.title ?? "";
    this.#key = "";
    this.#desk.addEventListener("change", () => this.#soon());
    const line = status();
    this.#page.head.replaceChildren(place({ desk: this.#desk }), line);
    line.watch(client);
    this.#page.foot.replaceChildren(controls({ desk: this.#desk }));
    this.#name();
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

  /** Look the quiz's title up, which tickets and pictures do not have. */
  async #name() {
    const desk = this.#desk;
    if (desk.title) return;
    const lines = await this.#client.rest.joinable(LIST_MAX).catch(() => []);
    const { picture, ticket } = this.#client;
    const ids = [ticket?.quizId, picture.quizId];
    const line = lines.find(({ quizId }) => ids.includes(quizId));
    if (!line || desk !== this.#desk) return;
    desk.title = ticket.title = line.title;
    this.#key = this.#key === "lobby" ? "" : this.#key;
    desk.tell();
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
