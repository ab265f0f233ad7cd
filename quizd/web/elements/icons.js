// Every picture of the pages, drawn here: icons on a grid of 24, and option shapes.

import { svg } from "../lib/dom.js";

const STROKES = {
  check: "M5 12.5l4.5 4.5L19 7.5",
  cross: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  clock: "M12 7v5l3.5 2M12 3a9 9 0 100 18 9 9 0 000-18z",
  pause: "M9 6v12M15 6v12",
  people:
    "M9 11a3.5 3.5 0 100-7 3.5 3.5 0 000 7zM2.5 20c0-3.6 2.9-6 6.5-6s6.5 2.4 6.5 6M16 4.3a3.5 3.5 0 010 6.4M18 14.5c2.2.8 3.5 2.9 3.5 5.5",
  gear: "M12 15.2a3.2 3.2 0 100-6.4 3.2 3.2 0 000 6.4zM19.2 14.4l1.6 1.3-1.9 3.2-2-.8a7.6 7.6 0 01-2 1.2l-.4 2.1h-3.8l-.4-2.1a7.6 7.6 0 01-2-1.2l-2 .8-1.9-3.2L6 14.4a7.9 7.9 0 010-2.4L4.4 10.7l1.9-3.2 2 .8a7.6 7.6 0 012-1.2l.4-2.1h3.8l.4 2.1a7.6 7.6 0 012 1.2l2-.8 1.9 3.2-1.6 1.3a7.9 7.9 0 010 2.4z",
  flame:
    "M12 3c.6 3.2 5.5 5.3 5.5 10.3A5.6 5.6 0 0112 21a5.6 5.6 0 01-5.5-5.7c0-2.2 1.2-3.7 2.3-4.8.2 1.6.9 2.3 1.7 2.6C10 9.5 10.4 5.8 12 3z",
  up: "M12 19V5M6 11l6-6 6 6",
  wave: "M3 12c2.5-5 5-5 7.5 0s5 5 7.5 0c.9-1.8 1.9-3 3-3.6",
  offline:
    "M4 4l16 16M9 10.6A8 8 0 005.5 12.5M12 5c3.6 0 6.9 1.4 9.3 3.7M2.7 8.7A13 13 0 016.5 6.2M12 19h.01M8.8 15.5a4.6 4.6 0 015.4-.5",
  refresh: "M20 5v5h-5M4 19v-5h5M19 10a7.5 7.5 0 00-13-3M5 14a7.5 7.5 0 0013 3",
  out: "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9",
  trophy:
    "M8 4h8v5a4 4 0 01-8 0V4zM8 5.5H4.5C4.5 9 6 10.5 8.3 10.7M16 5.5h3.5c0 3.5-1.5 5-3.8 5.2M12 13v4M8.5 20h7M9.5 20c0-2 1-3 2.5-3s2.5 1 2.5 3",
  sparkle: "M12 3l1.9 5.6L19.5 10.5l-5.6 1.9L12 18l-1.9-5.6L4.5 10.5l5.6-1.9z",
};

/** Return the icon *name*; it is for eyes, screen readers read the text beside it. */
export function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: STROKES[name] }),
  );
}

const SHAPES = [
  "M20 2a18 18 0 110 36 18 18 0 010-36z",
  "M8 3h24a5 5 0 015 5v24a5 5 0 01-5 5H8a5 5 0 01-5-5V8a5 5 0 015-5z",
  "M17.2 2.8a4 4 0 015.6 0l14.4 14.4a4 4 0 010 5.6L22.8 37.2a4 4 0 01-5.6 0L2.8 22.8a4 4 0 010-5.6z",
  "M11.5 3.5h17a4 4 0 013.4 2l6 10.5a4 4 0 010 4l-6 14.5a4 4 0 01-3.4 2h-17a4 4 0 01-3.4-2l-6-14.5a4 4 0 010-4l6-10.5a4 4 0 013.4-2z",
  "M20 2.5l14.5 5.2a3 3 0 012 2.8c0 13.5-5 21.5-15.2 26.6a3 3 0 01-2.6 0C8.5 32 3.5 24 3.5 10.5a3 3 0 012-2.8z",
  "M20 1.5l5 5.5 7.3-.8 1 7.3 6 4.5-4.3 6 1.8 7.3-7.3 1.5L26 39l-6-4-6 4-3.5-6.2-7.3-1.5L5 24l-4.3-6 6-4.5 1-7.3L15 7z",
];

/** The letter of option *index*: A, B, C … */
export function letter(index) {
  return String.fromCharCode(65 + index);
}

/** Return the badge of option *index*: its own shape with its letter, or *text*. */
export function badge(index, text = letter(index)) {
  const shape = index % SHAPES.length;
  return svg(
    "svg",
    {
      class: `badge shape-${shape + 1}`,
      viewBox: "0 0 40 40",
      "aria-hidden": "true",
      focusable: "false",
    },
    svg("path", { d: SHAPES[shape] }),
    svg("text", { x: 20, y: 21, "text-anchor": "middle", dy: ".34em" }, text),
  );
}

/** Return the mark of the program. */
export function mark() {
  return svg(
    "svg",
    { class: "mark", viewBox: "0 0 32 32", "aria-hidden": "true", focusable: "false" },
    svg("path", { class: "mark-ring", d: "M16 5a11 11 0 108 18.5" }),
    svg("path", { class: "mark-hand", d: "M16 10v6l9.5 9.5" }),
    svg("circle", { class: "mark-dot", cx: 24.5, cy: 9.5, r: 3 }),
  );
}
