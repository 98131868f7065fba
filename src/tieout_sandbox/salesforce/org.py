"""One org: its objects, rows, users and switches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tieout_sandbox.kit.clock import SandboxClock
from tieout_sandbox.salesforce.ids import make_id
from tieout_sandbox.salesforce.installed import Installed
from tieout_sandbox.salesforce.schema import Child, ObjectType, Options, field_of, load_schema
from tieout_sandbox.salesforce.tables import Journal, Table
from tieout_sandbox.salesforce.values import Row, Value, moment, stamp

ORG_ID = make_id("00D", 1)
PROFILE_ID = make_id("00e", 1)
STANDARD_BOOK_NUMBER = 1
BIN_DAYS = 15


@dataclass(slots=True)
class Switches:
    """What an administrator may set; the defaults are a freshly made org with ours in it."""

    session_timeout_s: int = 7200
    refresh_rotation: bool = False
    user_approved: bool = True
    client_credentials_user: bool = True
    soap_login: bool = True
    api_enabled: bool = True
    daily_api_requests: int = 100_000
    duplicate_rule: str = "off"
    """off, block, or allow (the caller may save anyway)."""
    second_price_code: str = "DUPLICATE_VALUE"
    order_needs_product: bool = True
    # What the vendor's documents leave open; each may be the other way in a real org.
    product_active: bool = False
    """Whether a product made through the API is active unless it says otherwise."""
    surplus_decimals: str = "round"
    """round, or refuse: what becomes of digits that a number field cannot hold."""
    lock_status: int = 400
    """The HTTP status of UNABLE_TO_LOCK_ROW; 409 has been seen."""
    jwt_life_s: int = 180
    """How far ahead an assertion may expire."""
    composite_queries: int = 5
    """How many queries and collections a composite request may hold."""
    line_by_product: bool = True
    """Whether a new line may name its product alone."""
    bulk_polls: int = 0
    """How often a bulk job answers InProgress before it is complete."""
    metadata_rights: bool = True
    """Whether the integration user may deploy metadata."""
    deploy_ms: int = 600
    """How long a deployment takes; a third of it waits in the queue."""
    omitted_values: str = "inactive"
    """inactive, or gone: values of a picklist field that a write of it leaves out."""
    inactive_values_shown: bool = True
    """Whether a picklist field that takes any text tells of values that are out of use."""
    text_length_in: str = "utf16"
    """utf16, or characters: what the length of a text field counts. In characters beyond the first
    65,536, as emojis are, the two differ; the vendor's own formulas and code count two."""
    large_numbers: str = "exponent"
    """exponent, as the platform writes numbers from ten million on (1.25E7); or plain."""
    tooling_preconditions: bool = False
    """Whether the tooling interface minds If-Unmodified-Since."""

    def set(self, name: str, value: Any) -> None:
        """Sets one switch; ValueError where there is none of that name or the kind is wrong."""
        known = {each.name for each in fields(self)}
        if name not in known:
            raise ValueError(f"no such switch: {name}; there are {', '.join(sorted(known))}")
        if type(value) is not type(getattr(self, name)):
            raise ValueError(f"{name} takes {type(getattr(self, name)).__name__}, not {value!r}")
        setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """Every switch by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(slots=True)
class Rules:
    """What the org's own administrators demand of rows."""

    required: list[tuple[str, str, str]] = field(default_factory=list)
    """Object, field, and the text of the validation rule that wants it filled."""
    locked_until: dict[str, str] = field(default_factory=dict)
    """Ids of rows somebody else holds, with the moment until which."""
    approval_locks: set[str] = field(default_factory=set)
    """Ids of rows that wait for an approval."""


class Org:
    """The data and settings of one org. Every change goes through `transaction`."""

    def __init__(self, clock: SandboxClock, options: Options) -> None:
        self.clock = clock
        self.options = options
        self.journal = Journal()
        self.switches = Switches()
        self.rules = Rules()
        self.hidden: dict[str, set[str]] = {}
        self.hidden_objects: set[str] = set()
        self.unshared: set[str] = set()
        self.added: list[tuple[str, str, str]] = []
        self.scales: dict[str, int] = {}
        self.numbers: dict[str, int] = {}
        self.age_s = 0
        self._depth = 0
        self.user_id = ""
        self._load_schema()

    def _load_schema(self) -> None:
        self.schema: dict[str, ObjectType] = load_schema(self.options)
        self.tables: dict[str, Table] = {
            name: Table(kind, self.journal) for name, kind in self.schema.items()
        }
        self._by_prefix = {kind.prefix: name for name, kind in self.schema.items()}
        self._by_lower = {name.lower(): name for name in self.schema}
        self._seen: dict[str, ObjectType] = {}
        self._seen_at: tuple[object, ...] = ()
        self.installed = Installed()
        self._rates: dict[str, Decimal] = {}

    @property
    def multi_currency(self) -> bool:
        """Whether rows carry a currency."""
        return bool(self.options.currencies)

    # Time.

    def now(self) -> datetime:
        """The simulator's present moment."""
        return self.clock.now()

    def stamp(self) -> str:
        """The stamp that rows get now; older inside `aged`."""
        return stamp(self.now() - timedelta(seconds=self.age_s))

    def today(self) -> str:
        """The present date in UTC."""
        return self.now().date().isoformat()

    @contextmanager
    def aged(self, seconds: int) -> Iterator[None]:
        """Stamps inside are so much older: a transaction that began then and commits now."""
        before = self.age_s
        self.age_s = seconds
        try:
            yield
        finally:
            self.age_s = before

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: an error inside takes every change of the block back."""
        mark = self.journal.mark()
        self._depth += 1
        try:
            yield
        except BaseException:
            self.journal.back_to(mark)
            raise
        finally:
            self._depth -= 1
        if self._depth == 0:
            self.journal.clear()

    # What an administrator changes of the objects.

    def add_field(self, kind: str, name: str, shape: str) -> None:
        """Adds a custom field to an object; ValueError for a shape that is none."""
        self.schema[kind].add(field_of(name, shape))
        self.added.append((kind, name, shape))
        self._seen.pop(kind, None)

    def seen_anew(self, kind: str) -> None:
        """A field of this object is not what it was."""
        self._seen.pop(kind, None)

    def take_in(self, kind: ObjectType) -> None:
        """Adds a custom object that somebody deployed."""
        self.schema[kind.name] = kind
        self.tables[kind.name] = Table(kind, self.journal)
        self._by_prefix[kind.prefix] = kind.name
        self._by_lower[kind.name.lower()] = kind.name
        for owner in list(self.schema.values()):
            for found in owner.fields.values():
                if kind.name in found.targets:
                    kind.children.append(
                        Child(
                            object=owner.name,
                            field=found.name,
                            name=found.children,
                            on_delete=found.on_delete,
                        )
                    )

    def set_scale(self, kind: str, name: str, scale: int) -> None:
        """Changes the decimals of a number field."""
        owner = self.schema[kind]
        owner.add(replace(owner.fields[name], scale=scale))
        self.scales[f"{kind}.{name}"] = scale
        self._seen.pop(kind, None)

    def scale(self, kind: str, name: str) -> int:
        """The decimals of a number field."""
        return self.schema[kind].fields[name].scale

    # Objects and rows.

    def full(self, name: str) -> ObjectType | None:
        """The object of that name in any case, with every field."""
        known = self._by_lower.get(name.lower())
        return self.schema[known] if known else None

    def visible(self, name: str) -> ObjectType | None:
        """The object as the integration user sees it."""
        kind = self.full(name)
        if kind is None or kind.name in self.hidden_objects:
            return None
        if self.installed.changes:
            return self._permitted(kind)
        if not self.hidden.get(kind.name):
            return kind
        seen = self._seen.get(kind.name)
        if seen is None:
            seen = self._seen[kind.name] = kind.without(frozenset(self.hidden[kind.name]))
        return seen

    def _permitted(self, kind: ObjectType) -> ObjectType | None:
        mark = self.rights_mark()
        if mark != self._seen_at:
            self._seen.clear()
            self._seen_at = mark
        if kind.name not in self._seen:
            permitted = self.installed.seen(self, kind)
            if permitted is None:
                return None
            hidden = frozenset(self.hidden.get(kind.name, ()))
            self._seen[kind.name] = permitted.without(hidden) if hidden else permitted
        return self._seen[kind.name]

    def rights_mark(self) -> tuple[object, ...]:
        """Changes whenever permission sets let the integration user see something else."""
        return self.installed.mark(self)

    def hide(self, kind: ObjectType, name: str, *, hidden: bool = True) -> None:
        """Hides a field from the integration user, or shows it again."""
        names = self.hidden.setdefault(kind.name, set())
        if hidden:
            names.add(name)
        else:
            names.discard(name)
        self._seen.pop(kind.name, None)

    def out_of_sight(self) -> set[str]:
        """Ids of the rows that sharing keeps from the integration user: to it they are absent."""
        if not self.unshared:
            return self.unshared
        rights = self.tables["PermissionSet"].rows.values()
        return set() if any(row["PermissionsViewAllData"] for row in rights) else self.unshared

    def table_of(self, record_id: str) -> Table | None:
        """The table that ids with that prefix belong to."""
        name = self._by_prefix.get(record_id[:3])
        return self.tables[name] if name else None

    def kind_of(self, record_id: str) -> ObjectType:
        """The object of an id that is known to be one."""
        return self.schema[self._by_prefix[record_id[:3]]]

    def row(self, record_id: Value) -> Row | None:
        """The row of an 18-character id of any object, deleted or not."""
        if not isinstance(record_id, str):
            return None
        table = self.table_of(record_id)
        return table.get(record_id) if table else None

    def empty_old_bin(self) -> None:
        """Removes for good what has lain in the recycle bin for 15 days."""
        oldest = stamp(self.now() - timedelta(days=BIN_DAYS))
        for table in self.tables.values():
            for record_id in list(table.deleted):
                if str(table.rows[record_id]["SystemModstamp"]) < oldest:
                    table.purge(record_id)

    def name_of(self, row: Row) -> Value:
        """What a person calls a row."""
        kind = self.kind_of(str(row["Id"]))
        return row.get(kind.name_field.name) if kind.name_field else None

    def new_id(self, kind: str) -> str:
        """The next id of an object."""
        number = self.numbers.get(kind, 0) + 1
        self.numbers[kind] = number
        return make_id(self.schema[kind].prefix, number)

    def next_auto(self, kind: str) -> str:
        """The next number that the platform gives to rows with an auto-number."""
        key = f"auto:{kind}"
        number = self.numbers.get(key, 0) + 1
        self.numbers[key] = number
        if kind.endswith("__c"):
            return f"{''.join(w[0] for w in kind[:-3].split('_'))}-{number:06d}"
        return f"{number:08d}"

    def standard_book(self) -> str:
        """The id of the one standard price book."""
        return make_id("01s", STANDARD_BOOK_NUMBER)

    # Currency.

    def corporate_currency(self) -> str:
        """The org's own currency."""
        return self.options.currencies[0] if self.options.currencies else "USD"

    def rate(self, currency: Value) -> Decimal:
        """Units of a currency per one of the corporate currency; 1 where it is unknown."""
        if not self._rates and "CurrencyType" in self.tables:
            self._rates = {
                str(row["IsoCode"]): Decimal(str(row["ConversionRate"]))
                for row in self.tables["CurrencyType"].live()
            }
        return self._rates.get(str(currency), Decimal(1))

    def currency_active(self, code: str) -> bool:
        """Whether rows may be written in that currency."""
        return any(
            row["IsoCode"] == code and row["IsActive"] for row in self.tables["CurrencyType"].live()
        )

    # State.

    def state(self) -> dict[str, Any]:
        """Everything that would have to be kept."""
        return {
            "tables": {name: list(table.rows.values()) for name, table in self.tables.items()},
            "numbers": self.numbers,
            "switches": self.switches.as_dict(),
            "required": self.rules.required,
            "locked_until": self.rules.locked_until,
            "approval_locks": sorted(self.rules.approval_locks),
            "hidden": {name: sorted(names) for name, names in self.hidden.items()},
            "hidden_objects": sorted(self.hidden_objects),
            "unshared": sorted(self.unshared),
            "user_id": self.user_id,
            "added": self.added,
            "scales": self.scales,
            "package": self.options.package,
            "installed": self.installed.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes back what `state` gave. A state of before packages has all that was there then."""
        self.options = replace(self.options, package=state.get("package", True))
        self._load_schema()
        self.installed = Installed.loaded(self, state.get("installed", {}))
        self.added, self.scales = [], {}
        for kind, name, shape in state.get("added", ()):
            self.add_field(kind, name, shape)
        for place, scale in state.get("scales", {}).items():
            kind, _, name = place.partition(".")
            self.set_scale(kind, name, scale)
        for name, rows in state["tables"].items():
            self.tables[name].fill(rows)
        self.numbers = dict(state["numbers"])
        for name, value in state["switches"].items():
            self.switches.set(name, value)
        self.rules = Rules(
            required=[(a, b, c) for a, b, c in state["required"]],
            locked_until=dict(state["locked_until"]),
            approval_locks=set(state["approval_locks"]),
        )
        self.hidden = {name: set(names) for name, names in state["hidden"].items()}
        self.hidden_objects = set(state["hidden_objects"])
        self.unshared = set(state["unshared"])
        self.user_id = state["user_id"]

    def is_locked(self, record_id: str) -> bool:
        """Whether somebody else holds the row now."""
        until = self.rules.locked_until.get(record_id)
        found = moment(until) if until else None
        return found is not None and self.now() < found
