"""`tieout demo`: a generated company and its books, from won deals to the tie-out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from tieout.cli.command import Session, command
from tieout.cli.output import ErrorInfo, Exit, Result, worst

if TYPE_CHECKING:
    from tieout.bootstrap import Opened
    from tieout.cli.demo_books import Books, Started
    from tieout.cli.demo_crms import Crm
    from tieout.engine.context import Engine
    from tieout.services.applying import Applied
    from tieout.services.demo_people import Finance, Sales
    from tieout.services.planning import Planned
    from tieout.services.project import Project
    from tieout.store.people import Case
    from tieout.store.plans import PlanLine

STEPS = 7
FOLDER = "demo"
SEED = 7
_INDENT = "    "
_ROOM = 100 - len(_INDENT)


@command(
    "demo",
    examples=(
        "tieout demo",
        "tieout demo --pair webcrm-visma_net",
        "tieout demo --books tryton --keep",
    ),
)
async def demo(
    session: Session,
    keep: Annotated[
        bool, Option("--keep", help="Leave both systems running until Ctrl-C.")
    ] = False,
    port: Annotated[
        int,
        Option("--port", min=0, max=65534, help="The CRM here, the books one above; 0: any."),
    ] = 0,
    books: Annotated[
        str,
        Option(
            "--books",
            metavar="SYSTEM",
            help="visma_eaccounting, visma_net (simulated), tryton (real).",
        ),
    ] = "visma_eaccounting",
    pair: Annotated[
        str,
        Option("--pair", metavar="CRM-BOOKS", help="salesforce or webcrm, with any of the books."),
    ] = "",
) -> Result:
    """Show everything on a generated company: plan, apply, payments, exceptions, tie-out."""
    from tieout.cli import demo_servers
    from tieout.cli.demo_books import books_named
    from tieout.cli.demo_crms import SALESFORCE, crm_named, pair_named
    from tieout.services import demo as making

    of_crm, of_books = pair_named(pair) if pair else (SALESFORCE, books)
    crm, chosen = crm_named(of_crm), books_named(of_books)
    making.on_its_own()
    chosen.check()
    root = making.folder(session.options.project or FOLDER)
    # The day of the company's books, wherever the demo is shown.
    today = session.clock.now().astimezone(making.ZONE).date()
    making.check_folder(root)
    texts = chosen.texts(today)
    if pair:
        texts = replace(texts, command=f"tieout demo --pair {pair}")
    demo_servers.check_ports(port, 2, texts.command)
    with making.demo_project(root, today, texts, crm.texts) as project:
        showing = _Showing(
            session=session, project=project, today=today, crm=crm, books=chosen, port=port
        )
        async with AsyncExitStack() as stack:
            await showing.play(stack)
            if keep:
                await _keep(session, showing)
        return showing.result()


async def _keep(session: Session, showing: _Showing) -> None:
    """Stays until Ctrl-C, with both systems at their addresses."""
    where = _near(showing.project.root)
    await showing.reopen()
    for name, address in showing.addresses.items():
        session.screen.line(f"{name} listens on {address}")
    for line in showing.books.looking(showing.started, showing.port):
        session.screen.line(line)
    session.screen.line("Finance has opened the day again: the next run writes what waited for it.")
    session.screen.note(f"Report: {where}/tie-out.html. Running until Ctrl-C.")
    # Another terminal stands elsewhere: the whole path.
    there = _typed(str(showing.project.root))
    words = [f"cd {there}", *_to_be_found(), "tieout status"]
    session.screen.note(f"Next, in another terminal: {' && '.join(words)}")
    session.screen.note(f"What else to type there: {where}/README.md")
    await asyncio.Event().wait()


def _saying(session: Session) -> Callable[[str], None]:
    """Says what takes long: a line that stays on a terminal, elsewhere a line of its own."""
    from tieout.cli.daily import progress

    screen = session.screen
    if screen.err.isatty() and not screen.options.plain:
        return progress(session)
    return lambda text: screen.note(f"{text}.")


def _near(root: Path) -> str:
    """The folder as it is named from here."""
    try:
        return str(root.relative_to(Path.cwd()))
    except ValueError:
        return str(root)


def _typed(path: str) -> str:
    """The path as it can be typed in a shell."""
    import shlex

    return shlex.quote(path)


def _to_be_found() -> list[str]:
    """What to type first where a shell does not find `tieout` yet: nothing, or one command."""
    import shutil
    import sys

    beside = Path(sys.executable).parent
    if shutil.which("tieout") or not (beside / "tieout").is_file():
        return []
    return [f"export PATH={_typed(str(beside))}:$PATH"]


@dataclass(slots=True, kw_only=True)
class _Showing:
    """One showing: what was opened, and what each step gave, for screen and JSON."""

    session: Session
    project: Project
    today: date
    crm: Crm
    books: Books
    port: int
    started: Started | None = None
    finance: Finance | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    codes: list[Exit] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    began: int = 0

    async def play(self, stack: AsyncExitStack) -> None:
        """All steps in their order; what was started is ended by the stack."""
        opened, engine, sales, finance = await self._start(stack)
        self.finance = finance
        made = await self._plan(opened, engine)
        applied = await self._apply(opened, engine, made)
        await self._again(opened, engine, applied)
        await self._books(sales, finance, applied)
        await self._status(opened, engine, sales)
        await self._tie_out(opened, engine)

    async def reopen(self) -> None:
        """What a visitor mends now is written, and not held by the day that was closed."""
        if self.finance is not None:
            await asyncio.to_thread(self.finance.reopen, self.today)

    def result(self) -> Result:
        """Where the report lies, and what to do next."""
        where = _near(self.project.root)
        found = Result(
            data={"folder": self.project.root, **self.data, "steps": self.steps},
            notes=[
                *self.books.looking(None, self.port),
                *(f"To type tieout here: {words}" for words in _to_be_found()),
                f"Look around: {self._inside()}; more in {where}/README.md.",
                f"Report: {where}/tie-out.html. All stopped.",
            ],
            next=("tieout init my-company",),
            bridge=self.data.get("bridge"),
            exit=worst(self.codes),
        )
        if found.exit is not Exit.OK:
            found.error = ErrorInfo(code="demo_differs", message=self.data["tie_out"]["verdict"])
        return found

    def _inside(self) -> str:
        """What an invoice of the demo is asked with, as typed from here."""
        invoice = self.books.texts(self.today).invoice
        return f"(cd {_typed(_near(self.project.root))} && tieout why {invoice})"

    def step(self, name: str, told: str, lines: Sequence[str] = ()) -> None:
        """`2/7 plan     163 deals, 4.1 s`, and its lines below."""
        now = self.session.clock.steady()
        tenths = (now - self.began + 50) // 100
        seconds, self.began = f"{tenths // 10}.{tenths % 10}", now
        number = len(self.steps) + 1
        self.steps.append({"step": number, "name": name, "seconds": seconds, "told": told})
        # The last one has no room for a time beside its four figures.
        took = f", {seconds} s" if number < STEPS else ""
        self.session.screen.line(f"{number}/{STEPS} {name:<8} {told}{took}")
        for line in lines:
            self.session.screen.line(f"{_INDENT}{line}".rstrip())

    # --- the steps -------------------------------------------------------------------------------

    async def _start(self, stack: AsyncExitStack) -> tuple[Opened, Engine, Sales, Finance]:
        from tieout.bootstrap import make_engine, open_project, who_acts
        from tieout.cli.daily import progress_over
        from tieout.cli.demo_books import Start
        from tieout.cli.demo_servers import simulators
        from tieout.services import demo as making
        from tieout.services.demo_people import furnish

        self.began = self.session.clock.steady()
        port = self.port
        above = port + 1 if port else 0
        wanted = (
            self.crm.simulator(port, self.books.accounts, SEED),
            *self.books.simulators(above),
        )
        servers = stack.enter_context(simulators(wanted, self.project.log_file.parent))
        opened = await stack.enter_async_context(open_project(self.project, self.session.clock))
        crm, *others = await servers.addresses()
        self.started = await self.books.start(
            stack,
            Start(
                opened=opened,
                addresses=others,
                port=above,
                today=self.today,
                say=_saying(self.session),
            ),
        )
        progress_over(self.session)
        self.addresses = {self.crm.label: crm.base_url, self.books.label: self.started.base_url}
        sales = self.crm.sales(crm.base_url, self.books.currency, self.books.country)
        finance = self.started.finance
        company = await asyncio.to_thread(furnish, sales, finance, self.today)
        await making.connect(opened, (self.crm.access(crm), self.started.access), who_acts())
        engine = await make_engine(opened, making.BRIDGE)
        self.data["bridge"] = making.BRIDGE
        first = self.today - timedelta(days=making.PERIOD_DAYS)
        self.data["company"] = company
        self.step(
            "start",
            f"{self.books.servers}, database",
            [
                f"{self.crm.label:<12}{company.accounts:,} {self.crm.customers}, "
                f"{company.deals:,} {self.crm.deals}, {company.won:,} won",
                f"{self.books.label:<12}{company.customers:,} customers, "
                f"{company.articles:,} articles, closed to the end of last month",
                f"Bridge      {making.BRIDGE}, v1: what is won since {_day(first)} "
                "becomes a draft invoice",
            ],
        )
        return opened, engine, sales, finance

    async def _plan(self, opened: Opened, engine: Engine) -> Planned:
        from tieout.services import planning

        made = await planning.plan(engine, opened.store)
        self.data["plan"] = _plan_data(made)
        self.step("plan", _plan_told(made), _plan_lines(made))
        return made

    async def _apply(self, opened: Opened, engine: Engine, made: Planned) -> Applied:
        from tieout.services import applying, exceptions, running

        applied = await applying.apply(engine, opened.store, made, who=engine.who)
        states = applied.states()
        if states.get("unknown"):
            self.codes.append(Exit.UNKNOWN)
        after = await running.run_once(engine, opened.store)
        self.data["applied"] = states
        told = ", ".join(f"{number:,} {word}" for word, number in states.items())
        lines = _applied_lines(engine, applied, after.written, self.crm.label)
        if states.get("refused"):
            cases = await exceptions.listing(opened.store, engine.bridge, engine.policy.crm)
            lines = [*_refused_lines(applied, cases), *lines]
        self.step("apply", f"{made.name}: {told}", lines)
        return applied

    async def _again(self, opened: Opened, engine: Engine, before: Applied) -> None:
        from tieout.services import planning

        made = await planning.plan(engine, opened.store)
        self.data["second_plan"] = _plan_data(made)
        refused = {line.key13 for line, written in before.done if written and not written.ref}
        fresh = [line for line in made.writes if line.key13 not in refused]
        told = f"{len(fresh):,} to write" if fresh else "nothing to write"
        if len(fresh) < len(made.writes):
            told += f" but what was refused, {len(made.writes) - len(fresh):,}"
        held = len([line for line in made.lines if line.verdict in ("hold", "approval")])
        self.step("again", f"{told}; {held:,} wait for a person, as before")

    async def _books(self, sales: Sales, finance: Finance, applied: Applied) -> None:
        from tieout.cli.daily import progress, progress_over
        from tieout.services import demo_people

        drafts = [
            # As the books call it: our own word for the collection goes.
            demo_people.Draft(
                id=written.ref.rpartition(":")[2], deal=line.source_id, currency=line.currency
            )
            for line, written in applied.done
            if written is not None
            and written.ref
            and (line.entity, line.action) == ("document", "create")
        ]
        progress(self.session)(f"Finance works in {self.books.label}")
        currency = self.books.currency
        done = await asyncio.to_thread(demo_people.book, finance, drafts, self.today, currency)
        progress_over(self.session)
        if done.open_deal:
            await asyncio.to_thread(sales.sell_more, done.open_deal, self.today)
        self.data["books"] = done
        first, *_, last = sorted(done.invoices, key=lambda number: (len(number), number))
        self.step(
            "books",
            f"finance books {done.booked:,} drafts",
            [
                f"invoices {first} to {last}; {done.edited} drafts changed before, "
                f"{done.left} left for later",
                f"{done.paid:,} paid, {done.paid_in_part:,} in part, {done.credited} credited; "
                f"then the books are closed to {self.books.closed_to}",
                "sales adds to a deal that is invoiced already, and wins one more",
            ],
        )

    async def _status(self, opened: Opened, engine: Engine, sales: Sales) -> None:
        from tieout.services import exceptions, running

        ran = await running.run_once(engine, opened.store)
        words = Counter(await asyncio.to_thread(sales.statuses))
        cases = await exceptions.listing(opened.store, engine.bridge, engine.policy.crm)
        codes = Counter(case.code for case in cases)
        self.data["status"] = dict(words)
        self.data["exceptions"] = dict(codes)
        told = ", ".join(
            f"{number:,} {word.lower().replace('_', ' ')}" for word, number in words.most_common()
        )
        self.step(
            "status",
            f"{ran.written:,} records of {self.crm.label} brought up to date",
            [f"deals     {told}", *_case_lines(cases)],
        )

    async def _tie_out(self, opened: Opened, engine: Engine) -> None:
        from tieout.cli.formats import amount
        from tieout.core.ledger_list import Period
        from tieout.services import demo as making
        from tieout.services import filing, tie_outs

        [book] = engine.policy.books
        today = engine.today(book.connection)
        period = Period(start=today - timedelta(days=making.PERIOD_DAYS), end=today)
        [report] = await tie_outs.reports(engine, opened.store, period, receivables=True)
        found = filing.shown(report)
        (self.project.root / making.REPORT).write_text(found.html, encoding="utf-8")
        (self.project.root / making.ROWS).write_bytes(found.csv.encode("utf-8-sig"))
        result = report.tie_out
        if not found.explained:
            self.codes.append(Exit.DISAGREE)
        apart = "The receivables do not agree with the ledger; the report names what differs."
        self.data["tie_out"] = {
            "verdict": apart if result.explained and not found.explained else found.lines[0],
            "report": self.project.root / making.REPORT,
            **{
                name: {"amount": format(value, "f"), "currency": book.base_currency}
                for name, value in (
                    ("sold", result.sold),
                    ("invoiced", result.invoiced),
                    ("gap", result.gap),
                    ("unexplained", result.unexplained),
                )
            },
        }
        self.step(
            "tie out",
            f"sold {amount(result.sold)} = invoiced {amount(result.invoiced)} + gap "
            f"{amount(result.gap)}, unexplained {amount(result.unexplained)}",
            _tie_out_lines(found.lines),
        )


# --- words ---------------------------------------------------------------------------------------


def _day(value: date) -> str:
    from tieout.cli.formats import day

    return day(value)


def _plan_data(made: Planned) -> dict[str, Any]:
    counts = Counter(line.verdict for line in made.lines)
    return {
        "plan": None if made.number is None else made.name,
        "to_write": len(made.writes),
        "approvals": counts["approval"],
        "exceptions": counts["hold"],
        "left_out": counts["skip"],
    }


def _plan_told(made: Planned) -> str:
    drafts = [line for line in made.writes if line.entity == "document"]
    new = len(made.writes) - len(drafts)
    return f"{made.name}: {new:,} customers and {len(drafts):,} drafts; nothing was written"


def _plan_lines(made: Planned) -> list[str]:
    """A few rows of the plan's own screen, of each kind some, and what it comes to."""
    from dataclasses import replace
    from datetime import UTC

    from tieout.cells import cut
    from tieout.cli.daily import sums, sums_text
    from tieout.cli.plan_screen import plan_lines

    chosen = _some(made.lines)
    rows = plan_lines(replace(made, lines=tuple(chosen)), UTC, full=False)
    shown = [row for row in rows[1:] if not row.startswith(("  to write", "  in all"))]
    counts = Counter(line.verdict for line in made.lines)
    held, asked, out = (f"{counts[verdict]:,}" for verdict in ("hold", "approval", "skip"))
    total = sums([(line.net, line.currency) for line in made.writes])
    return [
        *(cut(row, _ROOM) for row in shown),
        f"in all      {sums_text(total, named=True)} net",
        f"{'':<12}{held} exceptions, {asked} for a person to release, {out} left out by rule",
    ]


def _some(lines: Sequence[PlanLine]) -> list[PlanLine]:
    """A customer, two drafts, an approval, and an exception of two kinds."""
    wanted = (("write", "customer", 1), ("write", "document", 2), ("approval", "document", 1))
    chosen: list[PlanLine] = []
    for verdict, entity, number in wanted:
        found = [line for line in lines if (line.verdict, line.entity) == (verdict, entity)]
        chosen += found[:number]
    seen: dict[str, PlanLine] = {}
    for line in lines:
        if line.verdict == "hold" and line.entity == "document":
            seen.setdefault(line.reason, line)
    return [*chosen, *list(seen.values())[:2]]


def _applied_lines(engine: Engine, applied: Applied, written_back: int, crm: str) -> list[str]:
    """A customer and two drafts with what became of them, and what went back to the CRM."""
    from dataclasses import replace

    from tieout.cli.commands.apply import done_lines

    customers = [pair for pair in applied.done if pair[0].entity == "customer"]
    documents = [pair for pair in applied.done if pair[0].entity == "document"]
    rows = done_lines(engine, replace(applied, done=[*customers[:1], *documents[:2]]))
    return [*rows, f"run: the standing of {written_back:,} deals and customers goes to {crm}"]


def _refused_lines(applied: Applied, cases: Sequence[Case]) -> list[str]:
    """What the books refused, each with their reason: it waits for a person now."""
    from textwrap import wrap

    from tieout.services.applying import state_word

    lines: list[str] = []
    for line, written in applied.done:
        if written is None or state_word(written) != "refused":
            continue
        about = [case for case in cases if case.key13 == line.key13]
        about += [case for case in cases if case.source_id == line.source_id]
        case = next(
            (case for case in about if case.code == written.detail), next(iter(about), None)
        )
        why = case.message if case is not None else written.detail or "tieout exceptions list"
        name = (line.number if line.entity == "document" else "") or line.title
        said = f"refused  {name}: {why}"
        lines += wrap(said, _ROOM, subsequent_indent=" " * 9)
    return lines


def _tie_out_lines(lines: Sequence[str]) -> list[str]:
    """The report's lines; the first one in two, so that it fits behind the indent."""
    verdict, _, about = lines[0].partition("  ")
    return [line for line in (verdict, about, *lines[1:]) if line]


def _case_lines(cases: Sequence[Case]) -> list[str]:
    """How often each code stands open, with one of them in its own words; the frequent first."""
    by_code: dict[str, list[Case]] = {}
    for case in cases:
        by_code.setdefault(case.code, []).append(case)
    order = sorted(by_code.values(), key=lambda found: (-len(found), found[0].code))
    return [line for found in order for line in _told(len(found), found[0])]


def _told(number: int, case: Case) -> list[str]:
    """The sentence, and what to do where there is room for it."""
    from textwrap import wrap

    both = f"{number:>3}  {case.message} {case.hint}".rstrip()
    if len(both) <= _ROOM:
        return [both]
    return wrap(f"{number:>3}  {case.message}", _ROOM, subsequent_indent=" " * 5)
