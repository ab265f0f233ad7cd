// Deutsch, für Spielleiter. Dazu kommen die Texte, die alle Seiten haben.

export default {
  "settings.shortcuts": "Mit einzelnen Tasten leiten (Leertaste, P, S, L …)",
  "line.slow.told":
    "Dein Netz lässt keine Live-Verbindung zu. Du kannst etwas langsamer weiter leiten.",

  "host.title": "{title} · Leitung",
  "host.controls": "Steuerung",
  "host.done": "Fertig",
  "host.cancel": "Abbrechen",
  "host.space": "Leertaste",
  "host.again": "Neue Runde öffnen",

  "host.enter.title": "Dieses Quiz leiten",
  "host.enter.lead":
    "Öffne eine Runde von „{quiz}“. Mit der PIN, die du bekommst, kommen alle hinein.",
  "host.enter.token": "Autoren-Token",
  "host.enter.hint":
    "Es steht in der Datei author.token im Datenordner des Servers und wird hier nicht aufgehoben. Mit dem Link zum Leiten brauchst du keines.",
  "host.enter.go": "Quiz öffnen",
  "host.enter.problem.empty": "Füge zuerst das Autoren-Token ein.",
  "host.enter.problem.unauthorized": "Das ist nicht das Autoren-Token des Servers.",
  "host.enter.problem.quiz_not_found": "Unter dieser Adresse gibt es kein Quiz.",
  "host.enter.problem.session_full":
    "Auf dem Server sind schon so viele Runden offen, wie er annimmt. Versuch es später.",
  "host.enter.problem.rate_limited": "Das war zu oft. Versuch es gleich noch einmal.",
  "host.enter.problem.shard_unavailable":
    "Der Server ist beschäftigt. Versuch es gleich noch einmal.",
  "host.enter.problem.unreachable":
    "Der Server ist nicht erreichbar. Versuch es noch einmal.",
  "host.enter.problem.internal":
    "Auf dem Server ist etwas schiefgegangen. Versuch es noch einmal.",

  "host.start": "Starten",
  "host.now": "Jetzt starten",
  "host.close": "Frage schließen",
  "host.next": "Nächste Frage",
  "host.finish": "Zum Ergebnis",
  "host.resume": "Fortsetzen",
  "host.pause": "Pause",
  "host.skip": "Auslassen",
  "host.board": "Rangliste",
  "host.answers": "Antworten",
  "host.lock": "Sperren",
  "host.unlock": "Entsperren",
  "host.players": "Personen",
  "host.second": "Geräte",
  "host.full": "Vollbild",
  "host.full.end": "Fenster",
  "host.keys": "Tasten",
  "host.end": "Beenden",

  "host.problem": "Das ging nicht:",
  "host.problem.seen": "OK",
  "host.problem.forbidden": "in diesem Moment ist es nicht möglich.",
  "host.problem.unauthorized": "dein Link zum Leiten ist abgelaufen.",
  "host.problem.session_not_found": "die Runde ist vorbei.",
  "host.problem.rate_limited": "es war zu oft. Versuch es gleich noch einmal.",
  "host.problem.shard_unavailable":
    "der Server ist beschäftigt. Versuch es gleich noch einmal.",
  "host.problem.unreachable":
    "der Server ist nicht erreichbar. Versuch es noch einmal.",
  "host.problem.internal":
    "auf dem Server ist etwas schiefgegangen. Versuch es noch einmal.",

  "host.join.at": "Mitspielen auf",
  "host.join.pin": "mit der PIN",
  "host.join.quiz": "das Quiz",
  "host.join.code": "QR-Code zum Mitspielen: {address}",
  "host.locked": "Gesperrt",
  "host.locked.told": "Gesperrt: Gerade kommt niemand hinein",

  "host.lobby": "Warten auf alle",
  "host.lobby.empty": "Hier erscheinen Namen, sobald jemand dabei ist.",
  "host.people": { one: "Person", other: "Personen" },

  "host.paused": "Pause",
  "host.answered": { one: "von {of} Antworten", other: "von {of} Antworten" },
  "host.answered.told": {
    one: "{count} von {of} hat geantwortet.",
    other: "{count} von {of} haben geantwortet.",
  },
  "host.top": { one: "Platz {count}", other: "Die besten {count}" },
  "host.board.new": "neu",
  "host.board.up": {
    one: "{count} Platz nach oben",
    other: "{count} Plätze nach oben",
  },
  "host.board.told": {
    one: "{name} führt mit {count} Punkt.",
    other: "{name} führt mit {count} Punkten.",
  },

  "host.ending": "Gewonnen haben",
  "host.ending.told": {
    one: "Das Quiz ist vorbei. Gewonnen hat {names}.",
    other: "Das Quiz ist vorbei. Gewonnen haben {names}.",
  },

  "host.end.title": "Das Quiz jetzt beenden?",
  "host.end.text":
    "Eine offene Frage wird geschlossen, und alle sehen die letzte Rangliste.",
  "host.end.sure": "Quiz beenden",

  "host.players.title": "Personen",
  "host.players.search": "Nach Namen suchen",
  "host.players.found": {
    one: "{count} von {of} gefunden",
    other: "{count} von {of} gefunden",
  },
  "host.players.unread": "Die Liste ist gerade nicht lesbar.",
  "host.kick": "Entfernen",
  "host.kick.of": "{name} entfernen",
  "host.kick.title": "{name} entfernen?",
  "host.kick.ban": "Diesen Namen dauerhaft aussperren",
  "host.kick.sure": "Entfernen",
  "host.kick.done": "{name} ist nicht mehr dabei.",

  "host.second.title": "Von einem anderen Gerät leiten",
  "host.second.text":
    "Öffne diesen Link auf deinem Handy oder einem anderen Computer: Beide leiten dasselbe Quiz. Wer den Link hat, kann leiten; zeig ihn also nicht auf der großen Leinwand.",
  "host.second.copy": "Link zum Leiten kopieren",
  "host.second.copied": "Kopiert",
  "host.second.link": "Der Link zum Leiten",

  "host.keys.title": "Tasten",
  "host.keys.main": "der große Knopf: was als Nächstes kommt",
  "host.keys.pause": "anhalten und fortsetzen",
  "host.keys.skip": "die Frage auslassen",
  "host.keys.board": "Rangliste und Antworten",
  "host.keys.lock": "sperren und entsperren",
  "host.keys.full": "Vollbild",
  "host.keys.help": "diese Tasten",
  "host.keys.off": "In den Einstellungen kann man sie abschalten.",

  "host.failed.unreachable.title": "Der Server ist nicht erreichbar",
  "host.failed.unreachable.text":
    "Wir haben es eine Weile versucht. Das Quiz ist sicher: Prüfe deine Verbindung und versuch es noch einmal.",
  "host.failed.unauthorized.title": "Dieser Link zum Leiten geht nicht",
  "host.failed.unauthorized.text":
    "Er ist abgelaufen, oder ein Teil fehlt. Öffne das Quiz mit dem Autoren-Token.",
  "host.failed.session_not_found.title": "Diese Runde ist vorbei",
  "host.failed.session_not_found.text":
    "Sie ist zu Ende, und ihre Ergebnisse sind nicht mehr hier.",
  "host.failed.over.title": "Diese Runde ist vorbei",
  "host.failed.over.text": "Sie ist zu Ende. Du kannst eine neue öffnen.",
  "host.failed.other.title": "Etwas ist schiefgegangen",
  "host.failed.other.text":
    "Die Verbindung wurde endgültig getrennt. Öffne das Quiz noch einmal, um weiterzumachen.",
};
