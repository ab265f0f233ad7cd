"""Which machine this is, among those of a cluster."""

import os
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NETWORK = Path("/proc/self/ns/net")


def this_machine() -> str:
    """Return what no other machine returns, nor a container with its own network.

    It is of this boot of the kernel (``random(4)``), which systemd may say instead
    where the unit hides it (``BOOT_ID=%b``, ``systemd.unit(5)``), and of the network
    that the process is in (``namespaces(7)``). Empty where the system does not say.
    """
    try:
        boot = os.environ.get("BOOT_ID") or _BOOT.read_text()
        return f"{boot.strip().replace('-', '')}-{_NETWORK.stat().st_ino}"
    except OSError:
        return ""
