# What each call promises, and its errors, is in the docstrings of the .pyx file.

from typing import final

from bench.load._play import Players

@final
class SocketIoPlayers(Players): ...
