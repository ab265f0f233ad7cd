// Español, para quien dirige. Se añaden a los textos que tienen todas las páginas.

export default {
  "settings.shortcuts": "Dirigir con teclas sueltas (espacio, P, S, L …)",
  "line.slow.told":
    "Tu red bloquea las conexiones en directo. Puedes seguir dirigiendo, algo más lento.",

  "host.title": "{title} · Dirección",
  "host.controls": "Controles",
  "host.done": "Listo",
  "host.cancel": "Cancelar",
  "host.space": "Espacio",
  "host.again": "Abrir otra partida",

  "host.enter.title": "Dirigir este quiz",
  "host.enter.lead":
    "Abre una partida de «{quiz}». Con el PIN que recibas entran los participantes.",
  "host.enter.token": "Clave de autor",
  "host.enter.hint":
    "Está en el archivo author.token de la carpeta de datos del servidor y aquí no se guarda. Con un enlace para dirigir no hace falta.",
  "host.enter.go": "Abrir el quiz",
  "host.enter.problem.empty": "Pega primero la clave de autor.",
  "host.enter.problem.unauthorized": "Esta no es la clave de autor del servidor.",
  "host.enter.problem.quiz_not_found": "No hay ningún quiz en esta dirección.",
  "host.enter.problem.session_full":
    "El servidor ya tiene abiertas todas las partidas que admite. Inténtalo más tarde.",
  "host.enter.problem.rate_limited":
    "Demasiadas veces. Inténtalo dentro de un momento.",
  "host.enter.problem.shard_unavailable":
    "El servidor está ocupado. Inténtalo dentro de un momento.",
  "host.enter.problem.unreachable":
    "No se puede llegar al servidor. Inténtalo otra vez.",
  "host.enter.problem.internal": "Algo ha fallado en el servidor. Inténtalo otra vez.",

  "host.start": "Empezar",
  "host.now": "Empezar ya",
  "host.close": "Cerrar la pregunta",
  "host.next": "Pregunta siguiente",
  "host.finish": "Terminar",
  "host.resume": "Reanudar",
  "host.pause": "Pausa",
  "host.skip": "Saltar",
  "host.board": "Tabla",
  "host.answers": "Respuestas",
  "host.lock": "Bloquear",
  "host.unlock": "Abrir",
  "host.players": "Personas",
  "host.second": "Equipos",
  "host.full": "Pantalla",
  "host.full.end": "Ventana",
  "host.keys": "Teclas",
  "host.end": "Acabar",

  "host.problem": "No ha funcionado:",
  "host.problem.seen": "Vale",
  "host.problem.forbidden": "en este momento no es posible.",
  "host.problem.unauthorized": "tu enlace para dirigir ha caducado.",
  "host.problem.session_not_found": "la partida ha terminado.",
  "host.problem.rate_limited": "demasiadas veces. Inténtalo dentro de un momento.",
  "host.problem.shard_unavailable":
    "el servidor está ocupado. Inténtalo dentro de un momento.",
  "host.problem.unreachable": "no se puede llegar al servidor. Inténtalo otra vez.",
  "host.problem.internal": "algo ha fallado en el servidor. Inténtalo otra vez.",

  "host.join.at": "Entra en",
  "host.join.pin": "con el PIN",
  "host.join.quiz": "el quiz",
  "host.join.code": "Código QR para entrar: {address}",
  "host.locked": "Bloqueado",
  "host.locked.told": "Bloqueado: ahora no puede entrar nadie",

  "host.lobby": "Esperando a la gente",
  "host.lobby.empty": "Los nombres aparecen aquí en cuanto alguien entra.",
  "host.people": { one: "persona", other: "personas" },

  "host.paused": "En pausa",
  "host.answered": { one: "de {of} respuestas", other: "de {of} respuestas" },
  "host.answered.told": {
    one: "{count} de {of} ha respondido.",
    other: "{count} de {of} han respondido.",
  },
  "host.top": { one: "El mejor ({count})", other: "Los {count} mejores" },
  "host.board.new": "nuevo",
  "host.board.up": { one: "sube {count} puesto", other: "sube {count} puestos" },
  "host.board.told": {
    one: "{name} va en cabeza con {count} punto.",
    other: "{name} va en cabeza con {count} puntos.",
  },

  "host.ending": "El podio",
  "host.ending.told": {
    one: "El quiz ha terminado. Gana {names}.",
    other: "El quiz ha terminado. Ganan {names}.",
  },

  "host.end.title": "¿Acabar el quiz ahora?",
  "host.end.text":
    "Si hay una pregunta abierta, se cierra, y todos ven la tabla final.",
  "host.end.sure": "Acabar el quiz",

  "host.players.title": "Personas",
  "host.players.search": "Buscar por nombre",
  "host.players.found": {
    one: "{count} de {of}",
    other: "{count} de {of}",
  },
  "host.players.unread": "La lista no se puede leer ahora.",
  "host.kick": "Quitar",
  "host.kick.of": "Quitar a {name}",
  "host.kick.title": "¿Quitar a {name}?",
  "host.kick.ban": "No dejar entrar más este nombre",
  "host.kick.sure": "Quitar",
  "host.kick.done": "{name} ya no participa.",

  "host.second.title": "Dirigir desde otro equipo",
  "host.second.text":
    "Abre este enlace en tu móvil o en otro ordenador: ambos dirigen el mismo quiz. Quien tiene el enlace puede dirigir, así que no lo muestres en la pantalla grande.",
  "host.second.copy": "Copiar el enlace para dirigir",
  "host.second.copied": "Copiado",
  "host.second.link": "El enlace para dirigir",

  "host.keys.title": "Teclas",
  "host.keys.main": "el botón grande: lo que sigue",
  "host.keys.pause": "pausar y reanudar",
  "host.keys.skip": "saltar la pregunta",
  "host.keys.board": "tabla y respuestas",
  "host.keys.lock": "bloquear y abrir",
  "host.keys.full": "pantalla completa",
  "host.keys.help": "estas teclas",
  "host.keys.off": "Se pueden desactivar en los ajustes.",

  "host.failed.unreachable.title": "No se puede llegar al servidor",
  "host.failed.unreachable.text":
    "Lo hemos intentado un rato. El quiz está a salvo: revisa tu conexión e inténtalo otra vez.",
  "host.failed.unauthorized.title": "Este enlace para dirigir no funciona",
  "host.failed.unauthorized.text":
    "Ha caducado o le falta una parte. Abre el quiz con la clave de autor.",
  "host.failed.session_not_found.title": "Esta partida ha terminado",
  "host.failed.session_not_found.text":
    "Se ha acabado y sus resultados ya no están aquí.",
  "host.failed.over.title": "Esta partida ha terminado",
  "host.failed.over.text": "Se ha acabado. Puedes abrir otra.",
  "host.failed.other.title": "Algo ha fallado",
  "host.failed.other.text":
    "La conexión se ha cerrado del todo. Abre otra vez el quiz para seguir.",
};
