"""The same work done by what one would otherwise build a live quiz with.

Every peer that can run here sends one message to everybody, and so does quizd; what a
delivery costs all of a peer's serving processes is taken from the command until
everybody has it. In turn with each, quizd included, goes the loop in C; compared is how
many times the loop's cost each takes.

Peers that play get the same quiz as quizd, the same players and the same answers, all
due at once: how many answers a second they take until the last result is what they can
do. Deliveries a second are those of the same quiz: each question and each close, with
everybody's own rank in it, from its first receipt to its last. Peers need not number
their messages or tell own ranks; Redis' own CPU time is not counted against them.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx

from bench import cores
from bench.floors.child import ChildFailed
from bench.load.driver import Behaviour, Crowd, Session, run_game
from bench.load.figures import GameResult, QuestionFigures
from bench.load.raw import Lines, Listeners, listen
from bench.load.tickets import Address, key_of
from bench.peers import all_peers
from bench.peers.base import Peer
from bench.peers.playing import PlayingPeer
from bench.scenarios import fanout
from bench.scenarios.arena import CALM_S, Delivery, floor
from bench.scenarios.base import (
    US_PER_S,
    Data,
    Figure,
    Options,
    Outcome,
    Scenario,
    Target,
    quiz_of,
)
from bench.server import QuizServer
from bench.stats import Median

ANSWERS = Target("P12", 8, "least")
DELIVERIES = Target("P12", 3, "least")
PLAYING = ("fastapi_redis", "socketio_redis")
SIZE_BYTES = 300
QUESTION_S = 20
QUESTIONS = 7
NS_PER_S = 1e9


def quiz() -> Data:
    """Return what everybody plays; a question ends when everybody has answered."""
    return quiz_of(QUESTIONS, QUESTION_S, {"reveal_s": 1})


def playing(result: GameResult) -> Data:
    """Return the median question's rates, and CPU times of each, of a whole quiz."""
    questions = result.questions
    return {
        "answers_per_second": middle([q.answers_per_second for q in questions]),
        "answer_cpu_us": middle([q.answer_cpu_us for q in questions]),
        "deliveries_per_second": middle([deliveries_per_second(q) for q in questions]),
        "question_cpu_us": middle([q.opened_cpu_us for q in questions]),
        "close_cpu_us": middle([q.closed_cpu_us for q in questions]),
    }


def deliveries_per_second(question: QuestionFigures) -> float:
    """Return how fast a question and its close went out."""
    took_ns = sum(
        spread.last_ns - spread.first_ns
        for spread in (question.opened, question.closed)
    )
    received = question.opened.received + question.closed.received
    return received / (took_ns / NS_PER_S) if took_ns else 0.0


def middle(values: Sequence[float]) -> float:
    """Return the median."""
    return Median.of(values).value


def played(options: Options, session: Session, pids: list[int]) -> GameResult:
    """Let everybody play, all answers due at once."""
    crowd = Crowd(
        options.players,
        options.processes,
        seed=options.seed,
        progress=options.progress,
    )
    return run_game(session, crowd, Behaviour(low_ms=0, high_ms=20), pids)


def played_on(options: Options, peer: PlayingPeer) -> Data:
    """Return how fast a peer that runs takes answers."""
    opened = peer.open(quiz())
    session = Session(
        Address.of(peer.url),
        opened["quizId"],
        key_of(quiz()),
        opened["hostToken"],
        lenient=True,
        dialect=peer.dialect,
    )
    result = played(options, session, peer.pids)
    return {
        **playing(result),
        "violations": result.violations.count,
    }


def fanned(options: Options, peer: Peer) -> Data:
    """Return what a peer's fan-out costs."""
    lines = Lines(
        Address("127.0.0.1", peer.port),
        options.players,
        path=peer.ws_path,
        alert=True,
        processes=options.processes,
        progress=options.progress,
    )
    if peer.dialect == "socket.io":
        lines = replace(lines, greeting=b"40", ping=b"2", pong=b"3")
    with (
        cores.apart(),
        listen(lines, b'"bench"', peer.pids) as listeners,
        floor(options) as bare,
    ):
        for pid in peer.pids:
            cores.alone(pid)
        peers = fanout.Pairs()
        for _ in range(options.rounds):
            peers.add(sent(peer, listeners), bare.send("broadcast", SIZE_BYTES))
    return peers.told(options.players)


def sent(peer: Peer, listeners: Listeners) -> Delivery:
    """Have a peer send one message to everybody."""
    listeners.expect(1)
    before_s = peer.cpu_s()
    answer: dict[str, Any] = peer.broadcast(SIZE_BYTES)
    listeners.wait()
    each_us = (peer.cpu_s() - before_s) * US_PER_S / listeners.lines.count
    spread = listeners.spread(0, answer["rounds"][0]["started_ns"])
    time.sleep(CALM_S)
    return Delivery(each_us, each_us, spread, SIZE_BYTES)


def shortened(text: str) -> str:
    """Return the first and the last line of what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " … ".join(dict.fromkeys([*lines[:1], *lines[-1:]]))


def measured(options: Options, peer: Peer) -> Data:
    """Return all that a peer can do, *skipped* where it can't run."""
    reason = peer.available()
    if reason:
        return {"skipped": reason}
    found: Data = {}
    try:
        with peer:
            if isinstance(peer, PlayingPeer):
                peer.open(quiz())
            found |= fanned(options, peer)
        if isinstance(peer, PlayingPeer):
            with peer:
                found |= played_on(options, peer)
    except (ChildFailed, RuntimeError, OSError, httpx.HTTPError) as failed:
        found["skipped"] = shortened(str(failed))
    return found


def run(options: Options) -> Outcome:
    """Measure quizd, then each peer."""
    ours, _ = fanout.both(options)
    with QuizServer() as server:
        result = played(options, server.session(quiz()), [server.pid])
    mine: Data = {**playing(result), **ours.data}
    data: Data = {"quizd": mine}
    outcome = Outcome(data, violations=result.violations + ours.violations)
    for peer in all_peers():
        data[peer.name] = measured(options, peer)
        outcome.figures += compared(peer.name, mine, data[peer.name])
        if "skipped" in data[peer.name]:
            outcome.notes.append(f"{peer.name}: {data[peer.name]['skipped']}")
    return outcome


def compared(name: str, mine: Data, theirs: Data) -> list[Figure]:
    """Return how many times better quizd is."""
    figures = []
    aim = {"answers": ANSWERS, "deliveries": DELIVERIES} if name in PLAYING else {}
    if theirs.get("answers_per_second"):
        for what in ("answers", "deliveries"):
            ratio = mine[f"{what}_per_second"] / theirs[f"{what}_per_second"]
            title = f"{name}: quizd's {what} a second ÷ its"
            figures.append(Figure(title, ratio, "", aim.get(what)))
        for what in ("answer", "question", "close"):
            ratio = theirs[f"{what}_cpu_us"] / mine[f"{what}_cpu_us"]
            figures.append(Figure(f"{name}: its CPU per {what} ÷ quizd's", ratio))
    if "ratio" in theirs:
        ratio = theirs["ratio"] / mine["ratio"]
        title = f"{name}: its deliveries' CPU ÷ quizd's, by the C loop"
        figures.append(Figure(title, ratio))
    return figures


PEERS = Scenario("peers", __doc__, Options(players=2000, rounds=7, processes=1), run)
