// From the ticket to the final board: which view is due, and what is around it.

import { status } from "./elements/status.js";
import { t } from "./lib/i18n.js";
import { QuizClient } from "./quizd.js";
import { ending } from "./views/ending.js";
import { notice, place } from "./views/notice.js";
import { question } from "./views/question.js";
import { countdown, lobby } from "./views/waiting.js";

let running = null;

/** The game on *page*; there is one client, whatever comes and goes. */
class Game {
  #page;
  #view = null;
  #key = "";
  #due = false;
  client = new QuizClient();

  constructor(page) {
    this.#page = page;
    this.client.addEventListener("change", () => this.#soon());
    addEventListener("quizd:language", () => {
      this.#key = "";
      this.#soon();
    });
    page.stage.addEventListener("qd-leave", () => this.#leave());
    page.stage.addEventListener("qd-retry", () => this.client.retry());
  }

  /** Put the game on the stage. */
  begin() {
    const line = status();
    this.#page.head.replaceChildren(line);
    line.watch(this.client);
    this.#page.foot.replaceChildren(place({ client: this.client }));
    this.#address();
    this.#soon();
  }

  /** Draw once for all that changes in one go. */
  #soon() {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      if (this.client.state !== "idle" && this.client.state !== "joining") this.#draw();
    });
  }

  #draw() {
    const [make, key] = due(this.client);
    if (key !== this.#key) {
      this.#key = key;
      this.#view = make({ client: this.client });
      this.#page.show(this.#view);
    }
    this.#view.update(this.client.picture);
    this.#page.foot.hidden = !shows(this.client);
    document.title = heading(this.client);
  }

  /** Have a reload come back to this quiz. */
  #address() {
    const { ticket, picture } = this.client;
    const address = ticket.address ?? picture.pin ?? ticket.quizId;
    history.replaceState(null, "", `/play/${encodeURIComponent(address)}`);
  }

  /** Leave the quiz and go back to the way in. */
  #leave() {
    this.client.leave();
    location.replace("/"); // nothing is left to go back to
  }
}

/** Return the view that is due, and a key that changes when another one is. */
function due({ state, info, picture }) {
  if (state === "failed") return [notice, `failed ${info.reason}`];
  if (picture.epoch === null) return [notice, "connecting"];
  if (state === "ended" || picture.phase === "ended") return [ending, "ending"];
  const phase = picture.phase === "paused" ? picture.before : picture.phase;
  if (phase === "lobby") return [lobby, "lobby"];
  if (phase === "starting") return [countdown, "countdown"];
  const { question: shown, epoch } = picture;
  if (!shown) return [notice, "connecting"]; // what a server of long ago tells
  return [question, `question ${epoch} ${shown.questionId}`];
}

function shows({ state, picture }) {
  const inside = picture.epoch !== null && picture.you !== null;
  return inside && state !== "ended" && state !== "failed";
}

function heading({ picture }) {
  const { question: shown, phase, title } = picture;
  const name = title || "quizd";
  if (phase !== "question" || !shown) return name;
  const { index, total } = shown;
  return `${t("question.of", { number: index + 1, total })} · ${name}`;
}

function gameOn(page) {
  running ??= new Game(page);
  return running;
}

/** Join *quiz* as *name* and play; throws why not. */
export async function enter(page, quiz, name, { key, tell }) {
  const game = gameOn(page);
  const { client } = game;
  const told = () =>
    client.state === "joining" && client.info.attempt > 1 && tell(client.info);
  client.addEventListener("change", told);
  try {
    await client.join(quiz, name, { key });
  } finally {
    client.removeEventListener("change", told);
  }
  client.ticket.address = quiz;
  game.begin();
}

/** Go on where a reload has interrupted. */
export function resume(page) {
  const game = gameOn(page);
  if (game.client.resume()) game.begin();
  else location.assign("/");
}
