// The page for addresses that there are not, in the reader's language.

import { speak, t } from "./lib/i18n.js";

await speak();
for (const id of ["title", "text", "home"]) {
  document.getElementById(id).textContent = t(`missing.${id}`);
}
document.title = `${t("missing.title")} · quizd`;
