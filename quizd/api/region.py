"""Quizzes of other regions: told apart before anybody looks for them here."""

from starlette.types import ASGIApp, Receive, Scope, Send

from quizd.api.problems import Problem
from quizd.cluster.region import Regions
from quizd.codes import Reason

QUIZZES = "/api/v1/quizzes/"


class RegionCheck:
    """A layer around *app* that answers for quizzes of other *regions*.

    The answer is 421 with ``wrong_region`` and, in ``details``, where to go.
    """

    def __init__(self, app: ASGIApp, *, regions: Regions) -> None:
        self.app = app
        self.regions = regions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or say where it is served."""
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith(QUIZZES):
            address = path[len(QUIZZES) :].partition("/")[0]
            url = self.regions.elsewhere(address)
            if url is not None:
                details = {"quizId": address, "url": url}
                problem = Problem(Reason.WRONG_REGION, {"details": details})
                await problem.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)
