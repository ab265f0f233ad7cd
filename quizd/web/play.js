// The player's page: the way in first; the game itself is fetched behind it.

import { Memory } from "./client/basics.js";
import { shell } from "./elements/shell.js";
import { speak } from "./lib/i18n.js";
import { join } from "./views/join.js";

const fetched = import("./game.js");

/** Return the quiz's id or PIN in the page's address, "" where it has none. */
function addressed() {
  const [, quiz = ""] = /^\/play\/([^/]+)/.exec(location.pathname) ?? [];
  return decodeURIComponent(quiz);
}

/** Return what a reload left to go on with, unless the address is another quiz's. */
function kept() {
  const found = new Memory(() => sessionStorage, "quizd.session").load();
  if (!found?.ticket?.token || found.ticket.role === "host") return null;
  return found;
}

function belongs(found, quiz) {
  return [found.ticket.quizId, found.picture?.pin, found.ticket.address].includes(quiz);
}

await speak();
const page = shell(document.getElementById("page"));
const quiz = addressed();
const left = kept();
if (left && quiz && belongs(left, quiz)) {
  page.loading();
  (await fetched).resume(page);
} else {
  const running = left?.picture?.phase === "ended" ? null : left;
  page.show(join({ page, quiz, left: running, game: fetched }));
}
