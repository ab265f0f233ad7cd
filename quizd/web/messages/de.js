// Deutsch; wie die Texte gebaut sind, steht in en.js.

export default {
  loading: "Wird geladen …",
  leave: "Verlassen",
  points: { one: "{count} Punkt", other: "{count} Punkte" },
  "points.total": {
    one: "Insgesamt {count} Punkt.",
    other: "Insgesamt {count} Punkte.",
  },
  people: { one: "{count} Person", other: "{count} Personen" },
  paused: "Pause. Es geht weiter, sobald die Leitung es sagt.",
  explanation: "Erklärung:",
  ordinal: { ordinal: { other: "{rank}." } },
  "title.join": "Mitspielen · quizd",

  "join.title": "Mitspielen",
  "join.lead": "Gib die PIN ein, die dir gezeigt wird, und den Namen, den alle sehen.",
  "join.pin": "PIN",
  "join.quiz": "Quiz",
  "join.other": "Ändern",
  "join.name": "Dein Name",
  "join.go": "Los",
  "join.going": "Einen Moment …",
  "join.again": "Keine Antwort. Versuch {count} von {of} …",
  "join.nopin": "Gib zuerst die PIN ein.",
  "join.noname": "Gib zuerst einen Namen ein.",
  "join.still": "Du bist noch als {name} in einem Quiz.",
  "join.back": "Dorthin zurück",
  "join.refused.session_not_found":
    "Mit dieser PIN ist kein Quiz offen. Prüfe die Ziffern.",
  "join.refused.session_full": "Dieses Quiz ist voll.",
  "join.refused.session_locked": "Dieses Quiz nimmt niemanden mehr auf.",
  "join.refused.forbidden": "Mit diesem Namen kannst du hier nicht mitspielen.",
  "join.refused.rate_limited": "Zu viele auf einmal. Versuch es gleich noch einmal.",
  "join.refused.invalid_message": "Dieser Name geht nicht. Versuch einen anderen.",
  "join.refused.shard_unavailable":
    "Der Server ist ausgelastet. Versuch es gleich noch einmal.",
  "join.refused.unreachable":
    "Der Server ist nicht erreichbar. Prüfe deine Verbindung und versuch es noch einmal.",
  "join.refused.internal": "Auf dem Server ging etwas schief. Versuch es noch einmal.",

  "open.title": "Jetzt offen",
  "open.waiting": "Wartet auf Mitspielende",
  "open.running": "Läuft",

  "settings.open": "Einstellungen",
  "settings.title": "Einstellungen",
  "settings.language": "Sprache",
  "settings.theme": "Farben",
  "settings.theme.auto": "Automatisch",
  "settings.theme.light": "Hell",
  "settings.theme.dark": "Dunkel",
  "settings.shortcuts": "Antworten mit den Tasten 1–9 und A–F wählen",
  "settings.done": "Fertig",

  "line.good": "Verbunden",
  "line.good.told": "Wieder verbunden.",
  "line.slow": "Langsame Verbindung",
  "line.slow.told":
    "Dein Netz sperrt Live-Verbindungen. Du kannst weiterspielen, etwas langsamer.",
  "line.away": "Neu verbinden …",
  "line.away.told": "Die Verbindung ist weg und wird neu aufgebaut.",
  "line.offline": "Du bist offline",
  "line.try": "Versuch {count} von {of}",
  "line.now": "Jetzt versuchen",

  "lobby.title": "Du bist dabei, {name}!",
  "lobby.wait": "Gleich geht es los …",
  "lobby.pin": "PIN {pin}",
  "lobby.more": { one: "und {count} weitere", other: "und {count} weitere" },

  "countdown.title": "Mach dich bereit",
  "countdown.text": "Gleich kommt die erste Frage.",
  "countdown.told": {
    one: "Die erste Frage kommt in {count} Sekunde.",
    other: "Die erste Frage kommt in {count} Sekunden.",
  },
  "countdown.go": "Los!",

  "clock.seconds": { one: "{count} s", other: "{count} s" },
  "clock.left": { one: "Noch {count} Sekunde.", other: "Noch {count} Sekunden." },

  "question.of": "Frage {number} von {total}",
  "question.ready": "Gleich kommt sie …",
  "question.practice": "Übung ohne Punkte",
  "question.double": "Doppelte Punkte",

  "answer.true": "Richtig",
  "answer.false": "Falsch",
  "answer.send": "Antwort senden",
  "answer.several": "Wähle alles, was stimmt, und sende es ab.",
  "answer.order":
    "Tippe in der richtigen Reihenfolge und sende sie ab. Noch einmal tippen nimmt zurück.",
  "answer.placed": "{option}: Nummer {place}.",
  "answer.unplaced": "{option}: zurückgenommen.",
  "answer.belongs": "Nummer {place}",
  "answer.truth": "Richtige Antwort: {answer}",
  "answer.empty": "Schreib zuerst deine Antwort.",
  "answer.nonumber": "Gib eine Zahl ein, zum Beispiel 12 oder 3,5.",
  "answer.yours": "Deine Antwort",
  "answer.right": "Richtige Antwort.",
  "answer.wrong": "Falsch.",
  "answer.count": {
    one: "{count} Person hat das gewählt.",
    other: "{count} Personen haben das gewählt.",
  },

  "media.audio": "Ton zu dieser Frage",
  "media.video": "Film zu dieser Frage",

  "result.sending": "Wird gesendet …",
  "result.in": "Deine Antwort ist da.",
  "result.counted": "Danke, deine Antwort zählt.",
  "result.right": "Richtig!",
  "result.wrong": "Leider falsch.",
  "result.none": "Diesmal keine Antwort.",
  "result.gain": { one: "{count} Punkt.", other: "{count} Punkte." },
  "result.wait": "Warten auf die anderen …",
  "result.refused.too_late": "Zu spät, die Zeit war um.",
  "result.refused.already_answered":
    "Du hast schon geantwortet, vielleicht in einem anderen Fenster.",
  "result.refused.question_not_open":
    "Die Frage hat Pause. Antworte, wenn es weitergeht.",
  "result.refused.invalid_option":
    "Diese Antwort ist nicht möglich. Versuch eine andere.",
  "result.refused.rate_limited": "Das war zu schnell. Versuch es noch einmal.",
  "result.refused.other": "Deine Antwort kam nicht an. Versuch es noch einmal.",

  "board.title": "Rangliste",
  "board.rank": "Platz",
  "board.you": "Du",

  "place.title": "Wo du stehst",
  "place.of": "von {of}",
  "place.told": "Du bist auf Platz {rank} von {of}.",
  "place.short": "Platz {rank} von {of}",
  "place.gap": {
    one: "{count} Punkt bis zum nächsten Platz",
    other: "{count} Punkte bis zum nächsten Platz",
  },
  "place.lead": "Du führst",
  "place.streak": {
    one: "{count} richtige in Folge",
    other: "{count} richtige in Folge",
  },
  "place.better": "Vor {percent} der anderen",

  "ending.title": "Geschafft!",
  "ending.place": { ordinal: { other: "{name}, du bist auf Platz {rank} von {of}." } },
  "ending.board": "Endstand",
  "ending.more": {
    one: "{count} weiteren Platz zeigen",
    other: "{count} weitere Plätze zeigen",
  },
  "ending.nomore": "Der Rest lässt sich gerade nicht laden.",
  "ending.again": "Noch ein Quiz spielen",

  "notice.connecting": "Verbinden …",
  "notice.retry": "Noch einmal versuchen",
  "notice.here": "Hier spielen",
  "notice.leave": "Zurück zum Anfang",
  "notice.unreachable.title": "Der Server ist nicht erreichbar",
  "notice.unreachable.text":
    "Wir haben es eine Weile versucht. Deine Punkte sind sicher: Prüfe deine Verbindung und versuch es noch einmal.",
  "notice.replaced.title": "Du spielst schon woanders",
  "notice.replaced.text":
    "Dieses Quiz wurde in einem anderen Fenster oder auf einem anderen Gerät geöffnet.",
  "notice.kicked.title": "Du wurdest entfernt",
  "notice.kicked.text": "Die Leitung hat dich aus diesem Quiz entfernt.",
  "notice.banned.title": "Du wurdest entfernt",
  "notice.banned.text": "Die Leitung hat dich dauerhaft aus diesem Quiz entfernt.",
  "notice.removed.title": "Du wurdest entfernt",
  "notice.removed.text": "Die Leitung hat dich aus diesem Quiz entfernt.",
  "notice.unauthorized.title": "Dein Platz ist abgelaufen",
  "notice.unauthorized.text": "Melde dich noch einmal an, um weiterzuspielen.",
  "notice.session_not_found.title": "Dieses Quiz ist vorbei",
  "notice.session_not_found.text":
    "Es ist beendet, und die Ergebnisse sind nicht mehr hier.",
  "notice.over.title": "Dieses Quiz ist vorbei",
  "notice.over.text": "Danke fürs Mitspielen.",
  "notice.other.title": "Etwas ging schief",
  "notice.other.text":
    "Die Verbindung wurde endgültig beendet. Melde dich noch einmal an, um weiterzuspielen.",

  "missing.title": "Unter dieser Adresse ist nichts",
  "missing.text": "Prüfe den Link, oder spiele mit einer PIN mit.",
  "missing.home": "Mitspielen",
};
