// Before anything is drawn: the colours and the language that were chosen. This is no
// module and stands in the page itself, so that it runs in time; it is as small as can
// be for the same reason. The texts are sent for here, as modules would get to know of
// them two round trips later.
(function () {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  function kept(name) {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  }
  function paint() {
    const chosen = kept("quizd.theme");
    const wanted = chosen === "light" || chosen === "dark" ? chosen : null;
    root.dataset.theme = wanted ?? (dark.matches ? "dark" : "light");
  }
  const texts = {
    en: () => import("./messages/en.js"),
    de: () => import("./messages/de.js"),
    es: () => import("./messages/es.js"),
  };
  const wishes = [kept("quizd.language"), ...(navigator.languages ?? [])];
  const codes = wishes.map((wish) => (wish ?? "").slice(0, 2).toLowerCase());
  root.lang = codes.find((code) => code in texts) ?? "en";
  texts[root.lang]().catch(() => {}); // whoever needs them asks again
  paint();
  dark.addEventListener("change", paint);
  addEventListener("quizd:theme", paint);
})();
