// The host's page: who may lead, and from then on what is to be shown.

import { Memory } from "./client/basics.js";
import { shell } from "./elements/shell.js";
import { addTexts, speak } from "./lib/i18n.js";
import { QuizClient } from "./quizd.js";
import { enter } from "./views/host-enter.js";
import { Show } from "./views/host-show.js";

addTexts({
  en: () => import("./messages/host.en.js"),
  de: () => import("./messages/host.de.js"),
  es: () => import("./messages/host.es.js"),
});

/** Return the quiz's id (or PIN) in the page's address. */
function addressed() {
  const [, quiz = ""] = /^\/host\/([^/]+)/.exec(location.pathname) ?? [];
  return decodeURIComponent(quiz);
}

/** Return the host token in the fragment, "" for none, and take it off the address. */
function handed() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  if (location.hash) history.replaceState(null, "", location.pathname);
  return token;
}

function socket() {
  return `${location.origin.replace(/^http/, "ws")}/ws`;
}

const quiz = addressed();
let token = handed();
await speak();

const NAME = "quizd.host"; // a player in this tab keeps the place under another one
const client = new QuizClient({ memory: NAME });
const page = shell(document.getElementById("page"));
const show = new Show(page, client, quiz);

/** Lead with a *ticket* as opening gives it. */
function lead(ticket) {
  // The page's own server: a socket of another name would be refused for its origin.
  client.host({ quizId: quiz, ...ticket, wsUrl: socket() });
  show.begin();
}

/** Go on with what a reload has left, unless it is another session's. */
function goOn() {
  const left = new Memory(() => sessionStorage, NAME).load()?.ticket;
  const same = left?.quizId === quiz && (!token || token === left.token);
  if (!same || !client.resume()) return false;
  show.begin();
  return true;
}

function begin() {
  if (goOn()) return;
  if (token) lead({ hostToken: token });
  else page.show(enter({ quiz, rest: client.rest }));
}

page.stage.addEventListener("qd-opened", ({ detail }) => lead(detail));
page.stage.addEventListener("qd-retry", () => client.retry());
page.stage.addEventListener("qd-leave", () => {
  show.end();
  token = "";
  page.show(enter({ quiz, rest: client.rest }));
});
// A link that is opened where this page is open already changes only the fragment.
addEventListener("hashchange", () => {
  token = handed();
  if (token) begin();
});
begin();
