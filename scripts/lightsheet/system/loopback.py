"""The loopback address, which programs of this computer alone reach, and the way there from another one."""

import socket

LOOPBACK = "127.0.0.1"


def format_tunnel(port: int) -> str:
    """Return the command that, on another computer, lets a browser there open a port of this computer's loopback."""
    return f"ssh -N -L {port}:{LOOPBACK}:{port} {socket.gethostname()}"
