"""
A real Tryton as the demo's child: `python -P -m tieout.cli.demo_tryton_server '{"venv": …}'`.

Makes a company's database in the PostgreSQL that it is told, serves it, and ends with its parent,
however that one ends; trytond, a program of another environment, ends with it in turn. Each line
on standard output is an object: ``doing`` while it takes long, at last ``base_url``.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

from tieout.cli.demo_simulator import end_with_parent

PORT_TAKEN = 5
DATABASE = "tryton"


def serve(given: dict[str, Any]) -> None:
    """Until the parent ends it. Raises what `TrytonServer.start` and `Template.ensure` raise."""
    from tieout_sandbox.tryton.firm import nordljus
    from tieout_sandbox.tryton.postgres import Postgres
    from tieout_sandbox.tryton.server import TrytonServer
    from tieout_sandbox.tryton.template import Template

    venv, cache = Path(given["venv"]), Path(given["cache"])
    postgres = Postgres(host=given["host"], port=given["port"], user=given["role"])
    template = Template(venv=venv, postgres=postgres, plan=nordljus(given["years"]))
    if not template.is_kept(cache):
        _say(doing="Building Tryton's database: a minute, once")
    source = template.ensure(cache)
    postgres.copy(source, DATABASE)
    postgres.drop(source)
    with TrytonServer(
        venv=venv,
        postgres=postgres,
        databases=(DATABASE,),
        log=Path(given["log"]),
        port=given["listen"] or None,
    ) as server:
        _say(base_url=server.url)
        while True:
            signal.pause()


def _say(**told: str) -> None:
    print(json.dumps(told), flush=True)


def _leave(*_: object) -> None:
    # An exception, so that whatever is under way ends its own children.
    sys.exit(0)


def main() -> int:
    """Serves until the parent ends it, or ends itself."""
    signal.signal(signal.SIGTERM, _leave)
    end_with_parent(sys.stdin.fileno())
    from tieout_sandbox.tryton.server import PortTakenError

    try:
        serve(json.loads(sys.argv[1]))
    except PortTakenError:
        return PORT_TAKEN
    return 0


if __name__ == "__main__":
    sys.exit(main())
