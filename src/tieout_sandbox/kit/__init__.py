"""What every simulator shares: requests, faults, the clock, the state file, the served form."""

from tieout_sandbox.kit.clock import SandboxClock, system_clock
from tieout_sandbox.kit.codec import dumps, loads, pack, unpack
from tieout_sandbox.kit.faults import Fault, FaultError, Faults
from tieout_sandbox.kit.http import (
    Answer,
    Dropped,
    Request,
    Response,
    Truncated,
    html_response,
    json_response,
    make_request,
)
from tieout_sandbox.kit.simulator import Action, ActionError, Simulator

__all__ = [
    "Action",
    "ActionError",
    "Answer",
    "Dropped",
    "Fault",
    "FaultError",
    "Faults",
    "Request",
    "Response",
    "SandboxClock",
    "Simulator",
    "Truncated",
    "dumps",
    "html_response",
    "json_response",
    "loads",
    "make_request",
    "pack",
    "system_clock",
    "unpack",
]
