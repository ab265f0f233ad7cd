"""Quizzes of other regions are told apart, and where they run is told."""

import httpx
import pytest

from tests.api.stage import API, Stage

EU = "https://eu.quiz.example.org"


@pytest.mark.parametrize(
    ("method", "rest"),
    [("POST", "/join"), ("GET", "/state"), ("POST", "/open"), ("GET", "")],
)
async def test_a_quiz_of_another_region(method: str, rest: str) -> None:
    """Whatever is asked of it is answered by its region's address."""
    async with Stage({"cluster": {"region": "us", "regions": [f"eu={EU}"]}}) as stage:
        answer = await stage.api.request(method, f"{API}/quizzes/eu-quiz123{rest}")
        assert answer.status_code == httpx.codes.MISDIRECTED_REQUEST
        problem = answer.json()
        assert problem["code"] == "wrong_region"
        assert problem["details"] == {"quizId": "eu-quiz123", "url": EU}


@pytest.mark.parametrize("quiz_id", ["us-quiz123", "pre-algebra", "eu", "123456"])
async def test_all_others_are_looked_for_here(quiz_id: str) -> None:
    """Our own region's quizzes, and ids whose beginning is no region's name."""
    async with Stage({"cluster": {"region": "us", "regions": [f"eu={EU}"]}}) as stage:
        answer = await stage.api.post(
            f"{API}/quizzes/{quiz_id}/join", json={"participantName": "Ann"}
        )
        assert answer.json()["code"] == "session_not_found"
