"""What goes out: JSON by orjson, and the facts that the socket's messages hold."""

import orjson
from starlette.responses import JSONResponse


class Json(JSONResponse):
    """A JSON answer; content that is bytes already is JSON and goes out as it is."""

    def render(self, content: object) -> bytes:
        """Return *content* as JSON."""
        return content if isinstance(content, bytes) else orjson.dumps(content)


def payload_of(message: bytes) -> bytes:
    """Return the payload in one of the socket's messages, of which it is the end."""
    start = message.index(b'"payload":') + len(b'"payload":')
    return message[start:-1]
