"""`serve`, `credentials` and `systems`: the commands that run and describe simulators."""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from tieout_sandbox.kit.clock import check_workable, parse_instant, system_clock
from tieout_sandbox.kit.codec import dumps
from tieout_sandbox.kit.registry import SYSTEMS, credentials, simulator_class
from tieout_sandbox.kit.serve import PortTakenError, serve

OK, USAGE, NOT_NOW = 0, 2, 5


def run(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code: 0 done, 2 used wrongly, 5 port taken."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        arguments = _parser("--json" in words).parse_args(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else USAGE
    match arguments.command:
        case "serve":
            return _serve(arguments)
        case "credentials":
            return _credentials(arguments)
        case _:
            return _systems(arguments)


class _Parser(argparse.ArgumentParser):
    """Complains in one line, and with ``--json`` in one object on standard output."""

    as_json = False

    def error(self, message: str) -> NoReturn:
        """Says what was wrong and ends with 2."""
        text = _plainly(message)
        self.exit(_complain(f"{text}. Next: {self.prog} --help", USAGE, self.as_json))


# What argparse says, and what a person is told.
_CHOICE = re.compile(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)")
_NUMBER = re.compile(r"argument (\S+): invalid int value: '(.*)'")


def _plainly(message: str) -> str:
    if found := _CHOICE.fullmatch(message):
        known = found[3].replace("'", "")
        return f'"{found[2]}" is no {found[1]} here; there are {known}'
    if found := _NUMBER.fullmatch(message):
        return f'{found[1]}: "{found[2]}" is no whole number'
    return message[:1].upper() + message[1:]


def _opening(sentence: str, *examples: str) -> dict[str, Any]:
    """What a command's help opens with: examples, and what it is for."""
    shown = "\n".join(f"  {example}" for example in examples)
    return {
        "description": f"{shown}\n\n{sentence}",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def _parser(as_json: bool = False) -> argparse.ArgumentParser:
    # A class of its own, since argparse makes the parsers of the commands by itself.
    kind = type("_Parser", (_Parser,), {"as_json": as_json})
    parser: argparse.ArgumentParser = kind(
        prog="tieout sandbox",
        **_opening(
            "Simulators, to try everything without a real company.",
            "tieout sandbox systems",
            "tieout sandbox serve salesforce --port 8701",
        ),
    )
    commands = parser.add_subparsers(dest="command", required=True)
    served = commands.add_parser(
        "serve",
        help="run one on 127.0.0.1",
        **_opening(
            "Run a simulator on this machine, on 127.0.0.1; Ctrl-C ends it.",
            "tieout sandbox serve salesforce --port 8701 --size 600",
            "tieout sandbox serve visma_eaccounting --state books.json --json",
        ),
    )
    served.add_argument("system", choices=sorted(SYSTEMS), help="which system")
    served.add_argument("--port", type=_port, default=0, help="0 takes a free port (the default)")
    served.add_argument("--data", type=_folder, help="a folder to take seeded data from")
    served.add_argument(
        "--seed", type=int, default=1, help="what is generated: same seed, same data"
    )
    served.add_argument(
        "--size", type=_count, default=0, help="how many accounts or customers; 0: none"
    )
    served.add_argument("--latency-ms", type=_count, default=0, help="each answer waits this long")
    served.add_argument(
        "--rate-limits",
        choices=("vendor", "off"),
        default="vendor",
        help="refuse too many calls as the vendor does (the default), or never",
    )
    served.add_argument(
        "--with-package",
        action="store_true",
        help="salesforce: as if Tieout's package were deployed already",
    )
    served.add_argument("--state", type=Path, help="keep the state in this file")
    served.add_argument("--clock", type=_instant, help="start at 2026-11-25T09:00:00Z")
    served.add_argument("--json", action="store_true", help="say where it listens as JSON")
    shown = commands.add_parser(
        "credentials",
        help="how to sign in to one",
        **_opening(
            "Show how to sign in to a simulator; it opens nothing else.",
            "tieout sandbox credentials salesforce",
            "tieout sandbox credentials visma_eaccounting --json",
        ),
    )
    shown.add_argument("system", choices=sorted(SYSTEMS), help="which system")
    shown.add_argument("--json", action="store_true", help="one JSON object instead")
    commands.add_parser(
        "systems",
        help="which there are",
        **_opening(
            "List the simulators.", "tieout sandbox systems", "tieout sandbox systems --json"
        ),
    ).add_argument("--json", action="store_true", help="one JSON object instead")
    return parser


def _serve(arguments: argparse.Namespace) -> int:
    kind = simulator_class(arguments.system)
    if arguments.with_package and not kind.takes_package:
        text = f"{arguments.system} has no package of ours: leave out --with-package."
        return _complain(text, USAGE, arguments.json)
    if wrong := _wrong_data(arguments.system, arguments.data, kind.takes_data):
        return _complain(wrong, USAGE, arguments.json)
    if arguments.state is not None and arguments.state.is_dir():
        text = f"{arguments.state} is a folder: --state wants a file."
        return _complain(text, USAGE, arguments.json)
    # A large company takes a while to make: who ends it then is answered as one who ends it later.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _made_and_served(arguments, kind)
    except KeyboardInterrupt:
        return OK
    finally:
        signal.signal(signal.SIGTERM, before)


def _made_and_served(arguments: argparse.Namespace, kind: Any) -> int:
    more = {"package": True} if arguments.with_package else {}
    try:
        sim = kind(
            seed=arguments.seed,
            size=arguments.size,
            clock=system_clock(arguments.clock),
            rate_limits=arguments.rate_limits == "vendor",
            state_file=arguments.state,
            data=arguments.data,
            latency_ms=arguments.latency_ms,
            **more,
        )
    except (OSError, ValueError) as error:
        return _complain(str(error), USAGE, arguments.json)
    token_path = credentials(arguments.system).get("token_path", "")
    try:
        asyncio.run(serve(sim, port=arguments.port, token_path=token_path, as_json=arguments.json))
    except PortTakenError as error:
        return _complain(str(error), NOT_NOW, arguments.json)
    return OK


def _wrong_data(system: str, folder: Path | None, file: str) -> str | None:
    """Why nothing can be taken from a data folder, None where something can."""
    if folder is None:
        return None
    if not file:
        return f"{system} takes no data: leave out --data."
    return None if (folder / file).is_file() else f"{folder / file} is missing."


def _credentials(arguments: argparse.Namespace) -> int:
    known = credentials(arguments.system)
    if arguments.json:
        return _print(dumps(known).decode())
    width = max(map(len, known), default=0)
    return _print("\n".join(f"{name:<{width}}  {value}" for name, value in known.items()))


def _systems(arguments: argparse.Namespace) -> int:
    names = sorted(SYSTEMS)
    return _print(dumps({"systems": names}).decode() if arguments.json else "\n".join(names))


def _print(text: str) -> int:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    return OK


def _complain(text: str, code: int, as_json: bool) -> int:
    if as_json:
        _print(dumps({"error": text, "exit_code": code}).decode())
    else:
        sys.stderr.write(text + "\n")
    return code


def _instant(text: str) -> datetime:
    try:
        when = parse_instant(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not like 2026-11-25T09:00:00Z") from error
    try:
        check_workable(when)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return when


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0")
    return int(text)


def _port(text: str) -> int:
    number = _count(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return number


def _folder(text: str) -> Path:
    folder = Path(text)
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return folder
