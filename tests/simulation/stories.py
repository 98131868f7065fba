"""
Aimed mishaps: a fault together with the deed that makes it bite, and what makes it worse.

Chance alone lets most faults meet nothing: the create that they wait for is done already. Each
story orders its fault, causes the write that will meet it, and wakes the engines.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from acts import MOST_DEALS, Cast
from tieout_sandbox.kit.simulator import ActionError
from world import World

if TYPE_CHECKING:
    from history import History

LOST = ("drop_after_commit", "drop_after_commit", "garbage", "truncated", "drop_before")


class Stories:
    """Tells one story after the other into a history."""

    def __init__(self, history: History, cast: Cast) -> None:
        self.history = history
        self.world: World = history.world
        self.cast = cast
        self.random: Random = cast.random
        self._all: tuple[Callable[[], None], ...] = (
            self.late,
            self.late,
            self.late_while_clock_jumps,
            self.late_and_killed,
            self.lost_and_touched,
            self.both_edit,
            self.both_edit,
            self.pause_after_claim,
            self.backup_and_restore,
            self.moved_on,
        )

    def tell(self) -> None:
        """One of them, by chance."""
        story = self.random.choice(self._all)
        self.world.happened[f"story: {story.__name__}"] += 1
        self.world.note(f"story {story.__name__}")
        try:
            story()
        except ActionError as error:
            self.world.note(f"not possible: {error}")

    # --- the write that a fault waits for ---

    def _cause(self) -> str:
        """A deal that wants a document now; the deal."""
        waiting = [
            deal
            for deal in self.cast.deals
            if self.world.crm.rows.tables["deals"][deal]["state"] == "open"
        ]
        if waiting and (len(self.cast.deals) >= MOST_DEALS or self.random.random() < 0.3):
            return self.cast.in_crm("win", self.random.choice(waiting))
        if len(self.cast.deals) < MOST_DEALS:
            return self.cast.in_crm("new")
        return self.cast.in_crm("reopen")

    def _drafts(self) -> str:
        return "/documents" if self.world.variant.keeps_id else "/drafts"

    def _on_create(self, kind: str, **more: float) -> None:
        times = self.random.choice((1, 1, 2))
        self.cast.order(self.world.book, kind, "POST", self._drafts(), times=times, **more)

    # --- the stories ---

    def late(self) -> None:
        """A create is carried out long after its answer was given up."""
        self._on_create("commit_late", seconds=self.random.randint(20, 195))
        self._cause()
        self.history.hurry(25)

    def late_while_clock_jumps(self) -> None:
        """The same, and the machines' clocks say that its time is over."""
        self.late()
        for machine in (0, 1):
            # Less than an hour: beyond it a brake holds everything.
            seconds = self.random.choice((900, 1800, 3500))
            self.history.soon(
                self.random.uniform(3, 8),
                lambda machine=machine, seconds=seconds: self.cast.jump(machine, seconds),
            )

    def late_and_killed(self) -> None:
        """The same, and the process dies with the request on its way."""
        self._on_create("commit_late", seconds=self.random.randint(90, 195))
        self._cause()
        self.history.hurry(15)
        self.history.doom()
        # Its lease runs out, and the next process takes over.
        self.history.soon(self.random.uniform(62, 75), lambda: self.history.hurry(15))

    def lost_and_touched(self) -> None:
        """A person is at the fresh document before we have found it."""
        self._on_create(self.random.choice(LOST))
        self._cause()
        self.history.hurry(25)
        act = self.random.choice(
            ("book", "copy_draft", "delete_draft", "overwrite_carrier", "edit_draft", "merge")
        )
        self.history.soon(self.random.uniform(1, 20), lambda: self.cast.in_book(act))

    def both_edit(self) -> None:
        """A person edits a linked draft, another the deal; or the deal is reopened."""
        linked = [
            (row["id"], deal)
            for row in self.world.drafts()
            for deal in self.cast.deals
            if self.world.slot_of.get(row["id"]) == self.history.slot(deal)
        ]
        if not linked:
            self._cause()
            return
        draft, deal = linked[-1]
        acts = [
            lambda: self.cast.in_book(
                self.random.choice(("edit_draft", "edit_draft", "add_row")), draft
            ),
            lambda: self.cast.in_crm(self.random.choice(("edit", "edit", "reopen")), deal),
        ]
        self.random.shuffle(acts)
        acts[0]()
        self.history.soon(self.random.choice((0.0, 0.5, 3.0)), acts[1])
        self.history.hurry(15)

    def pause_after_claim(self) -> None:
        """A process is stopped after its claim for longer than its lease."""
        self.history.pause_claim(self.random.uniform(58, 160))
        self._cause()
        self.history.hurry(10)

    def backup_and_restore(self) -> None:
        """A backup, documents made after it, and the backup brought back."""
        often = self.history.restored_once or self.random.random() < 0.5
        if self.world.owner is None or often:
            self.late()
            return
        self.history.restored_once = True
        self.history.take_backup()
        self._cause()
        self.history.hurry(25)
        self.history.soon(self.random.uniform(40, 120), self.history.restore)

    def moved_on(self) -> None:
        """A draft is booked, or a deal reopened and won again, while a write to it is unclear."""
        kind = self.random.choice(("commit_late", "drop_after_commit", "drop_before"))
        self.cast.order(self.world.book, kind, self.random.choice(("PATCH", "DELETE")), "*")
        deal = self.cast.in_crm(self.random.choice(("edit", "reopen")))
        self.history.hurry(15)
        act = self.random.choice(("win", "edit", "book"))
        delay = self.random.uniform(2, 30)
        if act == "book":
            self.history.soon(delay, lambda: self.cast.in_book("book"))
        else:
            self.history.soon(delay, lambda: self.cast.in_crm(act, deal))
