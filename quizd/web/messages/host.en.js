// English, for hosts. They come on top of the texts that all pages have.

export default {
  "settings.shortcuts": "Lead with single keys (Space, P, S, L …)",
  "line.slow.told":
    "Your network blocks live connections. You can go on leading, a little slower.",

  "host.title": "{title} · Host",
  "host.controls": "Controls",
  "host.done": "Done",
  "host.cancel": "Cancel",
  "host.space": "Space",
  "host.again": "Open a new session",

  "host.enter.title": "Lead this quiz",
  "host.enter.lead":
    "Open a session of “{quiz}”. Players join with the PIN that you get.",
  "host.enter.token": "Author token",
  "host.enter.hint":
    "It is in the file author.token of the server’s data folder, and is not kept here. With a host’s link you need none.",
  "host.enter.go": "Open the quiz",
  "host.enter.problem.empty": "Paste the author token first.",
  "host.enter.problem.unauthorized": "This is not the server’s author token.",
  "host.enter.problem.quiz_not_found": "There is no quiz with this address.",
  "host.enter.problem.session_full":
    "The server has as many sessions open as it takes. Try again later.",
  "host.enter.problem.rate_limited": "That was too often. Try again in a moment.",
  "host.enter.problem.shard_unavailable": "The server is busy. Try again in a moment.",
  "host.enter.problem.unreachable": "The server can’t be reached. Try again.",
  "host.enter.problem.internal": "Something went wrong on the server. Try again.",

  "host.start": "Start",
  "host.now": "Start now",
  "host.close": "Close question",
  "host.next": "Next question",
  "host.finish": "Finish",
  "host.resume": "Resume",
  "host.pause": "Pause",
  "host.skip": "Skip",
  "host.board": "Board",
  "host.answers": "Answers",
  "host.lock": "Lock",
  "host.unlock": "Unlock",
  "host.players": "Players",
  "host.second": "Devices",
  "host.full": "Full screen",
  "host.full.end": "Window",
  "host.keys": "Keys",
  "host.end": "End",

  "host.problem": "That did not work:",
  "host.problem.seen": "OK",
  "host.problem.forbidden": "it isn’t possible at this moment.",
  "host.problem.unauthorized": "your host’s link has expired.",
  "host.problem.session_not_found": "the session is over.",
  "host.problem.rate_limited": "it was too often. Try again in a moment.",
  "host.problem.shard_unavailable": "the server is busy. Try again in a moment.",
  "host.problem.unreachable": "the server can’t be reached. Try again.",
  "host.problem.internal": "something went wrong on the server. Try again.",

  "host.join.at": "Join at",
  "host.join.pin": "with the PIN",
  "host.join.quiz": "the quiz",
  "host.join.code": "QR code to join: {address}",
  "host.locked": "Locked",
  "host.locked.told": "Locked: nobody can join now",

  "host.lobby": "Waiting for players",
  "host.lobby.empty": "Names appear here as soon as somebody joins.",
  "host.people": { one: "player", other: "players" },

  "host.paused": "Paused",
  "host.answered": { one: "of {of} answered", other: "of {of} answered" },
  "host.answered.told": {
    one: "{count} of {of} answered.",
    other: "{count} of {of} answered.",
  },
  "host.top": { one: "Top {count}", other: "Top {count}" },
  "host.board.new": "new",
  "host.board.up": { one: "{count} place up", other: "{count} places up" },
  "host.board.told": {
    one: "{name} leads with {count} point.",
    other: "{name} leads with {count} points.",
  },

  "host.ending": "The winners",
  "host.ending.told": {
    one: "The quiz is over. The winner is {names}.",
    other: "The quiz is over. The winners are {names}.",
  },

  "host.end.title": "End the quiz now?",
  "host.end.text": "An open question is closed, and everybody sees the final board.",
  "host.end.sure": "End the quiz",

  "host.players.title": "Players",
  "host.players.search": "Search by name",
  "host.players.found": {
    one: "{count} of {of} found",
    other: "{count} of {of} found",
  },
  "host.players.unread": "The list can’t be read now.",
  "host.kick": "Remove",
  "host.kick.of": "Remove {name}",
  "host.kick.title": "Remove {name}?",
  "host.kick.ban": "Keep this name out for good",
  "host.kick.sure": "Remove",
  "host.kick.done": "{name} was removed.",

  "host.second.title": "Lead from another device",
  "host.second.text":
    "Open this link on your phone or another computer: both lead the same quiz. Whoever has the link can lead, so don’t show it on the big screen.",
  "host.second.copy": "Copy the host’s link",
  "host.second.copied": "Copied",
  "host.second.link": "The host’s link",

  "host.keys.title": "Keys",
  "host.keys.main": "the main button: what comes next",
  "host.keys.pause": "pause and resume",
  "host.keys.skip": "skip the question",
  "host.keys.board": "board and answers",
  "host.keys.lock": "lock and unlock",
  "host.keys.full": "full screen",
  "host.keys.help": "these keys",
  "host.keys.off": "They can be switched off in the settings.",

  "host.failed.unreachable.title": "The server can’t be reached",
  "host.failed.unreachable.text":
    "We tried for a while. The quiz is safe: check your connection and try again.",
  "host.failed.unauthorized.title": "This host’s link doesn’t work",
  "host.failed.unauthorized.text":
    "It has expired, or a part of it is missing. Open the quiz with the author token.",
  "host.failed.session_not_found.title": "This session is over",
  "host.failed.session_not_found.text":
    "It has ended, and its results are no longer here.",
  "host.failed.over.title": "This session is over",
  "host.failed.over.text": "It has ended. You can open a new one.",
  "host.failed.other.title": "Something went wrong",
  "host.failed.other.text":
    "The connection was ended for good. Open the quiz again to go on.",
};
