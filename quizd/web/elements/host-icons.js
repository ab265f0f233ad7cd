// The icons that only hosts need, on the same grid of 24 as all others.

import { svg } from "../lib/dom.js";

const STROKES = {
  play: "M8 5.5v13l10.5-6.5z",
  skip: "M6 6l7 6-7 6zM17.5 6v12",
  lock: "M6.5 11h11v8.5h-11zM8.8 11V8a3.2 3.2 0 016.4 0v3",
  unlock: "M6.5 11h11v8.5h-11zM8.8 11V8a3.2 3.2 0 016.2-1.1",
  board: "M5 20v-8M12 20V5M19 20v-5",
  answers: "M4 6h10M4 12h16M4 18h7",
  devices: "M3.5 5h13v9h-13zM2 17.5h9M14.5 10.5h6v9h-6z",
  full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  keys: "M3 7h18v10H3zM7 10.5h.01M11 10.5h.01M15 10.5h.01M18 10.5h.01M8 14h8",
  stop: "M7 7h10v10H7z",
  search: "M10.5 4a6.5 6.5 0 100 13 6.5 6.5 0 000-13zM15.5 15.5L20 20",
  remove:
    "M9 11a3.5 3.5 0 100-7 3.5 3.5 0 000 7zM2.5 20c0-3.6 2.9-6 6.5-6 1.5 0 2.9.4 4 1.1M16 15l5 5M21 15l-5 5",
};

/** Return the host's icon *name*; the text beside it says what it means. */
export function hostIcon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: STROKES[name] }),
  );
}
