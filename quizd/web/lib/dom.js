// Making elements in one expression. Text is always text: nothing here parses HTML.

/**
 * Return an element: `h("button.primary", { type: "button", onclick }, "Go")`.
 * Functions become listeners, `style` sets properties one by one (the page's policy
 * allows no style attributes), null, undefined and false are left out.
 */
export function h(name, props = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.classList.add(...classes);
  for (const [key, value] of Object.entries(props)) set(element, key, value);
  put(element, ...children);
  return element;
}

function set(element, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (typeof value === "function") element.addEventListener(key.slice(2), value);
  else if (key === "style") {
    for (const [name, one] of Object.entries(value))
      element.style.setProperty(name, one);
  } else if (key === "class")
    element.classList.add(...value.split(" ").filter(Boolean));
  else if (key in PROPERTIES) element[key] = value;
  else element.setAttribute(key, value === true ? "" : value);
}

// What has to be set as a property, because the attribute means something else.
const PROPERTIES = { value: 1, checked: 1, disabled: 1, hidden: 1, data: 1 };

/** Put children (nodes, texts, lists of them; null is left out) into *element*. */
export function put(element, ...children) {
  const given = children.flat(Infinity);
  element.append(...given.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Replace what *element* holds. */
export function fill(element, ...children) {
  element.replaceChildren();
  return put(element, ...children);
}

const SVG = "http://www.w3.org/2000/svg";

/** Return an SVG element with *attributes*. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  return put(element, ...children);
}

/**
 * The base of all our elements: what they listen to and wait for ends with them. They
 * draw into themselves, without a shadow, so that one style sheet and one set of ids
 * serves the page.
 */
export class View extends HTMLElement {
  #ending = new AbortController();
  #timers = new Set();

  /** Listen to *target* for as long as this element is on the page. */
  listen(target, type, act) {
    target.addEventListener(type, act, { signal: this.#ending.signal });
  }

  /** Do *act* every *ms* milliseconds, and now. */
  every(ms, act) {
    act();
    const timer = setInterval(act, ms);
    this.#timers.add(() => clearInterval(timer));
  }

  /** Do *act* in *ms* milliseconds. */
  after(ms, act) {
    const timer = setTimeout(act, Math.max(0, ms));
    this.#timers.add(() => clearTimeout(timer));
  }

  /** Forget all timers. */
  stopTimers() {
    for (const stop of this.#timers) stop();
    this.#timers.clear();
  }

  disconnectedCallback() {
    this.#ending.abort();
    this.#ending = new AbortController();
    this.stopTimers();
  }

  /** Tell whoever is around: an event that rises. */
  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, detail }));
  }
}

/** Define *kind* as the element *name* and return a function that makes one. */
export function element(name, kind) {
  customElements.define(name, kind);
  return (props = {}) => Object.assign(document.createElement(name), props);
}
