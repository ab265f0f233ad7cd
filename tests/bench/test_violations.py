"""Whatever a server does wrong in a game, the load generator says so."""

import random
from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise

import orjson
import pytest

from quizd.clock import iso
from tests.bench.fake import (
    CLOCK,
    Await,
    FakeServer,
    Message,
    Raw,
    Reply,
    Script,
    Step,
    Until,
    frame,
    message,
)
from tests.bench.games import (
    game,
    index_of,
    of_type,
    play,
    players_of,
    run_to_the_end,
)

CONTINUATION, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10
SHORT_MS = 300


def test_a_right_game_has_no_violation() -> None:
    """A server without a fault is told none, and every message is understood."""
    assert play(game()) == []


def test_frames_may_come_byte_by_byte() -> None:
    """How the stream is cut makes no difference."""
    assert play(game(), bytes_at_once=1) == []


@pytest.mark.parametrize("seed", range(3))
def test_messages_may_come_in_fragments(seed: int) -> None:
    """Messages cut into frames at random, with pings in between, are put together."""
    rng = random.Random(seed)
    scripts = [[fragmented(step, rng) for step in script] for script in game()]
    assert play(scripts, bytes_at_once=7) == []


def fragmented(step: Step, rng: random.Random) -> Step:
    """Return a message as frames of random parts; other steps as they are."""
    if not isinstance(step, dict):
        return step
    text = orjson.dumps(step)
    cuts = [0, *sorted(rng.choices(range(len(text) + 1), k=3)), len(text)]
    parts = [text[a:b] for a, b in pairwise(cuts)]
    frames = [
        frame(part, TEXT if at == 0 else CONTINUATION, fin=at == len(parts) - 1)
        for at, part in enumerate(parts)
    ]
    return Raw(frame(b"ping", PING).join(frames))


def test_pings_are_answered() -> None:
    """A ping gets a pong with its payload before anything else is said."""
    scripts = game()
    scripts[0].insert(index_of(scripts[0], "new_question"), Raw(frame(b"why", PING)))
    with FakeServer(scripts) as server:
        run_to_the_end(players := players_of(server, {}))
        players.close()
    assert server.controls == [(PONG, b"why")]


# -- what a server may do wrong ----------------------------------------------------


def rank_is_wrong(script: Script) -> None:
    """Tell a player another rank than its own."""
    of_type(script, "question_closed")[0]["payload"]["you"]["rank"] = 1


def of_is_wrong(script: Script) -> None:
    """Tell a player another number of players."""
    of_type(script, "question_closed")[1]["payload"]["you"]["of"] = 4


def final_rank_is_wrong(script: Script) -> None:
    """Tell a player another rank in the end than after the last question."""
    of_type(script, "quiz_ended")[0]["payload"]["you"]["rank"] = 2


def score_does_not_add_up(script: Script) -> None:
    """Tell a score that is not the sum of points."""
    of_type(script, "question_closed")[1]["payload"]["you"]["score"] += 1


def result_score_does_not_add_up(script: Script) -> None:
    """Tell a score in a result that is not the sum of points."""
    of_type(script, "answer_result")[1]["payload"]["score"] += 1


def points_change(script: Script) -> None:
    """Tell other points when the question is closed than in the result."""
    you = of_type(script, "question_closed")[0]["payload"]["you"]
    you["points"] += 1
    you["score"] += 1


def verdict_is_wrong(script: Script) -> None:
    """Call a right answer wrong."""
    of_type(script, "answer_result")[0]["payload"] |= {"correct": False, "points": 0}


def points_without_being_right(script: Script) -> None:
    """Give no points for a right answer."""
    of_type(script, "answer_result")[0]["payload"]["points"] = 0


def frame_is_lost(script: Script) -> None:
    """Leave a broadcast out."""
    del script[index_of(script, "quiz_starting")]


def last_frame_is_lost(script: Script) -> None:
    """Leave the end out."""
    del script[index_of(script, "quiz_ended")]


def frame_is_doubled(script: Script) -> None:
    """Send a broadcast twice."""
    at = index_of(script, "question_closed")
    script.insert(at, script[at])


def frames_are_out_of_order(script: Script) -> None:
    """Send two broadcasts in the wrong order."""
    one = index_of(script, "question_closed", 0)
    other = index_of(script, "new_question", 1)
    script[one], script[other] = script[other], script[one]


def question_comes_again(script: Script) -> None:
    """Send a question twice, with the next number."""
    of_type(script, "new_question")[1]["payload"]["index"] = 0


def question_is_left_out(script: Script) -> None:
    """Go on to the second question at once."""
    first = index_of(script, "new_question", 0)
    del script[first : index_of(script, "new_question", 1)]
    for seq, step in enumerate(script[first:], 5):
        if isinstance(step, dict) and "seq" in step:
            step["seq"] = seq


def question_differs(script: Script) -> None:
    """Show one player other words."""
    of_type(script, "new_question")[1]["payload"]["text"] += "?"


def result_is_missing(script: Script) -> None:
    """Do not acknowledge an answer."""
    del script[index_of(script, "answer_result", 1)]


def result_is_doubled(script: Script) -> None:
    """Acknowledge an answer twice."""
    at = index_of(script, "answer_result", 1)
    script.insert(at, script[at])


def result_is_of_no_answer(script: Script) -> None:
    """Acknowledge an answer that was never given."""
    stray = deepcopy(of_type(script, "answer_result")[0])
    stray["payload"]["questionId"] = "q9"
    script.insert(index_of(script, "new_question"), stray)


def close_is_of_another_question(script: Script) -> None:
    """Close the first question again instead of the second."""
    of_type(script, "question_closed")[1]["payload"]["questionId"] = "q1"


def error_comes_unasked(script: Script) -> None:
    """Send an error for nothing."""
    error = message("error", {"reason": "rate_limited", "details": {}})
    script.insert(index_of(script, "new_question"), error)


def welcome_is_late(script: Script) -> None:
    """Send a broadcast before the welcome."""
    script[0], script[2] = script[2], script[0]


def welcome_is_doubled(script: Script) -> None:
    """Welcome twice."""
    script.insert(1, script[0])


def number_is_missing(script: Script) -> None:
    """Send a broadcast without its number."""
    del of_type(script, "new_question")[0]["seq"]


def text_is_no_message(script: Script) -> None:
    """Send something that isn't a message."""
    script.insert(1, Raw(frame(b"hello")))


def line_ends(script: Script) -> None:
    """Close the line in the middle of the game."""
    script.insert(1, Raw(frame((4008).to_bytes(2, "big"), CLOSE)))


def frame_is_masked(script: Script) -> None:
    """Mask a frame, which no server may."""
    script.insert(1, Raw(b"\x81\x82mask\x00\x00"))


def fragments_are_out_of_order(script: Script) -> None:
    """Continue a message that was not begun."""
    script.insert(1, Raw(frame(b"{}", CONTINUATION)))


def board_is_out_of_order(script: Script) -> None:
    """Put the last player first on the final board."""
    of_type(script, "quiz_ended")[0]["payload"]["finalLeaderboard"].reverse()


def board_is_wrong(script: Script) -> None:
    """Put another score on the final board than the player was told."""
    of_type(script, "quiz_ended")[0]["payload"]["finalLeaderboard"][1]["score"] = 1


WRONGS: list[tuple[Callable[[Script], None], str]] = [
    (rank_is_wrong, "after 0: 1: rank 1 with score 800, 2 is right"),
    (of_is_wrong, "after 1: 1: rank is of 4, 3 are there"),
    (final_rank_is_wrong, "the end tells rank 2, the last close 1"),
    (score_does_not_add_up, "the close tells score 1601, not 1600"),
    (result_score_does_not_add_up, "a result tells score 1601, not 1600"),
    (points_change, "the close tells 801 points, the result 800"),
    (verdict_is_wrong, "question 0: the verdict is wrong"),
    (points_without_being_right, "question 0: 0 points don't fit the verdict"),
    (frame_is_lost, "broadcast 5 came after 3: lost one, or out of order"),
    (last_frame_is_lost, "no end came after question 1"),
    (frame_is_doubled, "broadcast 6 came after 6: doubled or out of order"),
    (frames_are_out_of_order, "broadcast 6 came after 7: doubled or out of order"),
    (question_comes_again, "question 0 came after 0"),
    (question_is_left_out, "question 1 came after -1: lost one"),
    (question_differs, "question 1 is not what others got"),
    (result_is_missing, "question 1: 1 answers without a result"),
    (result_is_doubled, "question 1: 1 results too many"),
    (result_is_of_no_answer, "a result of no answer"),
    (close_is_of_another_question, "a close of another question than 1"),
    (error_comes_unasked, "unexpected error"),
    (welcome_is_late, "broadcast 4 came before the welcome"),
    (welcome_is_doubled, "a second welcome came"),
    (number_is_missing, 'unexpected "new_question"'),
    (text_is_no_message, "not a message: hello"),
    (line_ends, "the line ended with close code 4008"),
    (frame_is_masked, "a frame is masked or has reserved bits"),
    (fragments_are_out_of_order, "parts of messages are out of order"),
]


@pytest.mark.parametrize(
    ("spoil", "complaint"), WRONGS, ids=[spoil.__name__ for spoil, _ in WRONGS]
)
def test_a_wrong_game_is_complained_of(
    spoil: Callable[[Script], None], complaint: str
) -> None:
    """One thing wrong with what one player gets is enough, and is named."""
    scripts = game()
    spoil(scripts[1])
    texts = play(scripts)
    assert any(complaint in text for text in texts), texts


@pytest.mark.parametrize("spoil", [board_is_out_of_order, board_is_wrong])
def test_a_wrong_final_board_is_complained_of(spoil: Callable[[Script], None]) -> None:
    """The board at the end has to be the best ones in order, as each was told."""
    scripts = game()
    spoil(scripts[0])
    assert any("final board" in text for text in play(scripts))


def test_latest_values_may_be_left_out() -> None:
    """Boards and counts are replaced, not numbered: nobody misses one."""
    scripts = game()
    del scripts[1][index_of(scripts[1], "participants_changed")]
    assert play(scripts) == []


def test_a_server_of_the_contract_alone_needs_no_numbers() -> None:
    """Without welcome, numbers and own ranks a lenient player plays as well."""
    scripts = game()
    for script in scripts:
        del script[0]
        for step in script:
            if isinstance(step, dict):
                step.pop("seq", None)
                step["payload"].pop("you", None)
    assert play(scripts, lenient=True) == []


# -- answers that are doubled, late or wrong ---------------------------------------


def test_an_answer_sent_twice_has_two_results() -> None:
    """Two equal results to two equal answers are right; the rank may have changed."""
    scripts = game(answers=2)
    for script in scripts:
        at = index_of(script, "answer_result", 1)
        script[at] = deepcopy(script[at])
        of_type(script, "answer_result")[1]["payload"]["rank"] = 7
    assert play(scripts, doubled=1.0) == []


def test_results_of_one_answer_have_to_agree() -> None:
    """The same answer again is told the same."""
    scripts = game(answers=2)
    at = index_of(scripts[1], "answer_result", 1)
    scripts[1][at] = second = deepcopy(of_type(scripts[1], "answer_result")[1])
    second["payload"]["receivedAt"] = iso(0)
    assert play(scripts, doubled=1.0) == ["question 0: the second result differs"]


def refusing_game(reply: Callable[[str], Message], *, at_once: bool) -> list[Script]:
    """Return a game in which nobody gets a point, and *reply* for each answer.

    The questions end soon. *at_once*: the reply comes before the close, which then
    comes after the end; else the close comes first.
    """
    now_ms = CLOCK.now_ms()
    return [refusing_script(script, now_ms, reply, at_once) for script in game()]


def refusing_script(
    script: Script, now_ms: int, reply: Callable[[str], Message], at_once: bool
) -> Script:
    """Return one player's script of :func:`refusing_game`."""
    nothing = {"correct": False, "points": 0, "score": 0, "rank": 1, "of": 3}
    made: Script = script[: index_of(script, "new_question")]
    for which in range(2):
        shown = of_type(script, "new_question")[which]
        closed = of_type(script, "question_closed")[which]
        end_ms = now_ms + (which + 1) * SHORT_MS
        shown["payload"]["endTime"] = iso(end_ms)
        closed["payload"]["you"] = nothing
        replied: Script = [Await(1), reply(shown["payload"]["questionId"])]
        close: Script = [Until(end_ms), closed]
        made += [shown, *replied, *close] if at_once else [shown, *close, *replied]
    (ended,) = of_type(script, "quiz_ended")
    ended["payload"] = {"finalLeaderboard": [], "you": nothing}
    return [*made, ended]


def too_late(question_id: str) -> Message:
    """Return the refusal of a late answer."""
    details = {"questionId": question_id}
    return message("error", {"reason": "too_late", "details": details})


def test_a_late_answer_is_refused() -> None:
    """``too_late`` is the right reply to an answer after the end."""
    assert play(refusing_game(too_late, at_once=False), late=1.0) == []


def test_a_late_answer_must_not_be_taken() -> None:
    """An answer after the end that counts is a violation."""

    def taken(question_id: str) -> Message:
        payload = {"questionId": question_id, "accepted": True}
        return message("answer_result", payload)

    texts = play(refusing_game(taken, at_once=False), late=1.0)
    assert texts.count("question 0 took a late answer") == 3


def test_an_answer_in_time_is_not_refused_before_the_end() -> None:
    """``too_late`` to an answer in time is a lie if the end comes only later."""
    texts = play(refusing_game(too_late, at_once=True))
    assert texts.count("question 0 refused in time") == 3


def test_an_answer_may_be_refused_where_the_question_was_closed_early() -> None:
    """``too_late`` is true where the host has closed the question."""
    scripts = refusing_game(too_late, at_once=True)
    for script in scripts:
        script[:] = [step for step in script if not isinstance(step, Until)]
    assert play(scripts) == []


def error_of(heard: Message | bytes) -> Message:
    """Return the error that a wrong message deserves."""
    reason = "invalid_option"
    if isinstance(heard, bytes):
        reason = "invalid_message"
    elif heard["type"] != "answer_submission":
        reason = "unknown_type"
    elif heard["payload"]["questionId"] == "no such question":
        reason = "unknown_question"
    return message("error", {"reason": reason, "details": {}})


def nonsense_game(errors: int) -> list[Script]:
    """Return a game in which a wrong message comes before each answer.

    The first *errors* of each player's get their error.
    """
    scripts = game()
    for script in scripts:
        for which in range(2):
            wait = index_of(script, "answer_result", which) - 1
            script[wait:wait] = [Reply(error_of) if which < errors else Await(1)]
    return scripts


@pytest.mark.parametrize("seed", range(3))
def test_wrong_messages_get_their_errors(seed: int) -> None:
    """Each wrong message is answered by the error that fits, and play goes on."""
    assert play(nonsense_game(2), malformed=1.0) == [], seed


def test_a_wrong_message_without_an_error_is_complained_of() -> None:
    """A server must not pass over what is wrong."""
    texts = play(nonsense_game(1), malformed=1.0)
    assert len([text for text in texts if "got no error" in text]) == 3


# -- decisions ---------------------------------------------------------------------


def decisions(seed: int) -> dict[int, list[object]]:
    """Return the options that each player chooses, half of them wrongly."""
    with FakeServer(game()) as server:
        run_to_the_end(players := players_of(server, {"wrong": 0.5}, seed=seed))
        players.close()
    return {
        number: [chosen(said) for said in heard]
        for number, heard in server.heard.items()
    }


def chosen(said: Message | bytes) -> object:
    """Return the option that an answer chooses."""
    assert isinstance(said, dict)
    return said["payload"]["selectedOption"]


def test_the_same_seed_makes_the_same_decisions() -> None:
    """A run can be repeated; another seed makes another run."""
    assert decisions(1) == decisions(1)
    assert len({str(sorted(decisions(seed).items())) for seed in range(6)}) > 1
