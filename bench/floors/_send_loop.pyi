# What the call promises, and its errors, is in the docstring of the .pyx file.

from array import array

def send_round(
    sockets: array[int], first: int, frames: bytes, size: int, stride: int
) -> tuple[int, int, int, int, int]: ...
