// A question on the big screen: its options and its clock, then what came of it.

import { Asking, media } from "../elements/asked.js";
import { picks } from "../elements/host-picks.js";
import { ranks } from "../elements/host-ranks.js";
import { icon } from "../elements/icons.js";
import { element, fill, h } from "../lib/dom.js";
import { number, t } from "../lib/i18n.js";
import { announce } from "../lib/page.js";

const BESIDE = 5;
// First what was right; then the board moves.
const BOARD_AFTER_MS = 1200;
const LONG_CHARS = 110;

class Asked extends Asking {
  desk;
  #count = h("p.answered");
  #pause = h("p.paused-bar", { hidden: true }, icon("pause"), h("span"));
  #heading = h("h1.asked-text", { dir: "auto" });
  #media = h("div.asked-media");
  #picks = null;
  #beside = h("section.asked-beside", { hidden: true, "aria-labelledby": "beside" });
  #top = h("h2", { id: "beside", hidden: true });
  #ranks = ranks();
  // What is shown already: drawing it again would begin its motion again.
  #shown = { count: "", reveal: null, board: null };
  // Who answered the last question is told until the first figures of this one come.
  #stale;

  connectedCallback() {
    const { question, host } = this.client.picture;
    this.className = "asked";
    this.#stale = host?.phase === "question" ? null : host;
    const place = { number: question.index + 1, total: question.total };
    fill(
      this,
      h(
        "div.asked-head",
        {},
        h("p.eyebrow", {}, t("question.of", place), worth(question.points)),
        this.#count,
        this.clock,
      ),
      this.#pause,
      h("div.asked-body", {}, this.#heading, this.#media),
      this.#beside,
    );
    this.#heading.textContent = t("question.ready");
  }

  /** Follow the picture. */
  update(picture) {
    const { phase, reveal } = picture;
    this.followClock(picture);
    this.#pause.hidden = phase !== "paused";
    this.#pause.lastChild.textContent = t("host.paused");
    this.#showCount(picture);
    this.followStart(picture);
    if (this.opened && reveal) this.#reveal(picture);
  }

  /** Draw the question. */
  open(question) {
    this.#heading.textContent = question.text;
    this.#heading.classList.toggle("long", question.text.length > LONG_CHARS);
    fill(this.#media, media(question.media));
    this.classList.toggle("has-media", question.media !== null);
    this.#picks = picks({ question });
    this.querySelector(".asked-body").append(this.#picks);
    announce(question.text);
  }

  /** Show how many have answered; by requests alone there is no such figure. */
  #showCount({ host, participants, reveal }) {
    if (host !== this.#stale) this.#stale = null;
    const fresh = host && this.#stale === null;
    const count = reveal ? reveal.answered : fresh ? host.answered : 0;
    const of = Math.max(count, reveal ? participants : (host?.connected ?? 0));
    const known = Boolean(reveal) || this.client.state === "online";
    const now = `${known} ${count} ${of}`;
    if (now === this.#shown.count) return;
    this.#shown.count = now;
    this.#count.hidden = !known;
    const share = of ? count / of : 0;
    this.#count.style.setProperty("--share", String(share));
    this.#count.classList.toggle("all", count > 0 && count === of);
    fill(
      this.#count,
      h("strong", {}, number(count)),
      h("span", {}, t("host.answered", { count, of })),
    );
  }

  #reveal(picture) {
    const { reveal, leaderboard } = picture;
    if (reveal !== this.#shown.reveal) {
      this.#shown.reveal = reveal;
      this.classList.add("closed");
      this.#picks.reveal(reveal);
      this.#showBeside(reveal);
      this.#tell(picture);
    }
    if (leaderboard !== this.#shown.board) {
      this.#shown.board = leaderboard;
      this.stopTimers();
      this.after(BOARD_AFTER_MS, () =>
        this.#showTop(leaderboard, this.desk.boardBefore),
      );
    }
  }

  #showBeside({ explanation }) {
    const { boardBefore } = this.desk;
    this.#beside.hidden = false;
    fill(
      this.#beside,
      explanation
        ? h(
            "section.explained",
            {},
            icon("sparkle"),
            h(
              "p",
              { dir: "auto" },
              h("span.sr", {}, `${t("explanation")} `),
              explanation,
            ),
          )
        : null,
      this.#top,
      this.#ranks,
    );
    this.#top.textContent = t("host.top", { count: BESIDE });
    this.#showTop(boardBefore);
  }

  /** Show the best; before anybody has points there is no board. */
  #showTop(lines, before) {
    this.#top.hidden = lines.length === 0;
    this.#ranks.show(lines.slice(0, BESIDE), before);
  }

  #tell({ reveal, participants }) {
    const { correctOptions, answered } = reveal;
    const answer = correctOptions.join(", ");
    const truth = answer ? `${t("answer.truth", { answer })}. ` : "";
    announce(truth + t("host.answered.told", { count: answered, of: participants }));
  }
}

function worth(points) {
  if (points === 0) return h("span.tag", {}, t("question.practice"));
  return points > 1000 ? h("span.tag.gold", {}, t("question.double")) : null;
}

export const asked = element("qd-host-asked", Asked);
