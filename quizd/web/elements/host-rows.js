// A list of any length: only the lines that can be seen are on the page.

import { View, element, fill, h } from "../lib/dom.js";

const LINE_REM = 3.25;
const SPARE = 6;

class Rows extends View {
  // Set by who makes it: what the list is called, and what a line of it looks like.
  label = "";
  make;
  #all = h("ol.rows-all");
  #items = [];
  #lines = new Map();
  #due = false;
  #linePx = 0;

  connectedCallback() {
    this.className = "rows";
    this.tabIndex = 0;
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", this.label);
    fill(this, this.#all);
    const rootPx = Number.parseFloat(
      getComputedStyle(document.documentElement).fontSize,
    );
    this.#linePx = LINE_REM * rootPx;
    this.listen(this, "scroll", () => this.#soon());
    this.listen(globalThis, "resize", () => this.#soon());
    this.#soon();
  }

  /** Show *items*, any number; the ones in view are made anew. */
  show(items) {
    const focused = [...this.#lines].find(([, line]) =>
      line.contains(document.activeElement),
    );
    this.#items = items;
    for (const line of this.#lines.values()) line.remove();
    this.#lines.clear();
    this.#all.style.setProperty("height", `${items.length * this.#linePx}px`);
    this.#draw();
    if (!focused) return;
    const button = this.#lines.get(focused[0])?.querySelector("button");
    (button ?? this).focus({ preventScroll: true });
  }

  #soon() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#draw();
    });
  }

  #draw() {
    const first = Math.floor(this.scrollTop / this.#linePx) - SPARE;
    const last = Math.ceil((this.scrollTop + this.clientHeight) / this.#linePx) + SPARE;
    const from = Math.max(0, first);
    const to = Math.min(this.#items.length, last);
    for (const [index, line] of this.#lines) {
      if (index >= from && index < to) continue;
      // Taking away what has the focus would lose it.
      if (line.contains(document.activeElement)) this.focus({ preventScroll: true });
      line.remove();
      this.#lines.delete(index);
    }
    for (let index = from; index < to; index += 1) {
      if (!this.#lines.has(index)) this.#put(index);
    }
  }

  #put(index) {
    const line = h(
      "li.rows-line",
      {
        "aria-setsize": this.#items.length,
        "aria-posinset": index + 1,
        style: { top: `${index * this.#linePx}px`, height: `${this.#linePx}px` },
      },
      this.make(this.#items[index]),
    );
    // In their order, so that the tabulator goes through them in it.
    const next = [...this.#lines.keys()].filter((other) => other > index);
    const before = next.length ? this.#lines.get(Math.min(...next)) : null;
    this.#all.insertBefore(line, before);
    this.#lines.set(index, line);
  }
}

export const rows = element("qd-host-rows", Rows);

const PAGE = 1000;

/**
 * Give all lines of the board of *client*, page by page: every yield is all that there
 * is so far. Lines that move meanwhile are there once.
 */
export async function* everybody(client) {
  const lines = new Map();
  for (let offset = 0; ; offset += PAGE) {
    const { leaderboard, total } = await client.leaderboard(offset, PAGE);
    for (const line of leaderboard) lines.set(line.participantId, line);
    yield [...lines.values()];
    if (!leaderboard.length || offset + PAGE >= total) return;
  }
}
