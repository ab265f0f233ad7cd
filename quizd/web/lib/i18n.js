// Texts in the reader's language; plurals, numbers and ordinals by Intl.

const TABLES = [
  {
    en: () => import("../messages/en.js"),
    de: () => import("../messages/de.js"),
    es: () => import("../messages/es.js"),
  },
];

/** The languages there are, each by its own name. */
export const LANGUAGES = { en: "English", de: "Deutsch", es: "Español" };

let texts = {};
let format = formats("en");

function formats(code) {
  return {
    plural: new Intl.PluralRules(code),
    ordinal: new Intl.PluralRules(code, { type: "ordinal" }),
    number: new Intl.NumberFormat(code),
    list: new Intl.ListFormat(code, { type: "conjunction" }),
  };
}

/** Add a page's own texts, `{en: () => import(…), …}`, before it speaks. */
export function addTexts(table) {
  TABLES.push(table);
}

/** Speak the language *code*, or the one that the page was opened in. */
export async function speak(code = document.documentElement.lang) {
  const wanted = code in LANGUAGES ? code : "en";
  const tables = await Promise.all(TABLES.map((table) => table[wanted]()));
  texts = Object.assign({}, ...tables.map((table) => table.default));
  format = formats(wanted);
  document.documentElement.lang = wanted;
}

/**
 * Return the text *key* with *params* in its `{places}`. A text with plural forms is
 * chosen by `params.count`, one with ordinal forms by `params.rank`.
 */
export function t(key, params = {}) {
  let text = texts[key] ?? key;
  if (typeof text === "object") {
    const form = text.ordinal
      ? format.ordinal.select(params.rank)
      : format.plural.select(params.count);
    const forms = text.ordinal ?? text;
    text = forms[form] ?? forms.other;
  }
  return text.replace(/\{(\w+)\}/g, (_, name) => shown(params[name]));
}

function shown(value) {
  return typeof value === "number" ? format.number.format(value) : String(value ?? "");
}

/** Return a number as it is written here; *options* are Intl.NumberFormat's. */
export function number(value, options) {
  if (!options) return format.number.format(value);
  return new Intl.NumberFormat(document.documentElement.lang, options).format(value);
}

/** Return texts as a list in words: "a, b and c". */
export function list(values) {
  return format.list.format(values);
}
