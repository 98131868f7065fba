"""The company's codes: terms, VAT categories, currencies, segments, projects, branches, zones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tieout.connectors.visma_net.api import VismaNetApi
from tieout.connectors.visma_net.documents import NON_PROJECT
from tieout.connectors.visma_net.names import BRANCH, PROJECT, Names, is_split
from tieout.connectors.visma_net.translate import zones_of
from tieout.connectors.visma_net.values import Payload, rows_of, text_of
from tieout.core.model import Code, Scalar
from tieout.ports import Selection

KINDS = ("terms", "tax", "tax_zone", "currency", "unit", PROJECT, BRANCH)
ENDED = frozenset({"Completed", "Cancelled"})


async def read_codes(api: VismaNetApi, want: Selection) -> list[tuple[str, tuple[Code, ...]]]:
    """
    The complete list of each wanted kind; 'dimension' means segments, projects and branches.
    """
    names = await api.names(fresh=True)
    kinds = set(want.kinds) or {*KINDS, "dimension"}
    if "dimension" in kinds:
        kinds |= {PROJECT, BRANCH, *(one.kind for one in names.segments.values())}
    found: dict[str, list[Code]] = {}
    for code in _codes(api, names, want.shape):
        if code.kind in kinds:
            found.setdefault(code.kind, []).append(code)
    if "unit" in kinds:
        rows = await api.whole("/v1/unitofmeasure")
        units = sorted({text_of(row, "fromUnit") for row in rows})
        found["unit"] = [_code(names, "unit", unit, shape=want.shape) for unit in units if unit]
    for kind in kinds - {"dimension"}:
        found.setdefault(kind, [])
    return [(kind, tuple(codes)) for kind, codes in sorted(found.items())]


def _codes(api: VismaNetApi, names: Names, shape: str) -> Iterator[Code]:
    for code, row in names.terms.items():
        yield _terms(names, code, row, shape)
    home = zones_of(names, api.settings).domestic
    today = api.now().astimezone(names.zone).date()
    for code in names.categories:
        vats = names.applied(home, code, today) if home else []
        rate = vats[0].rate(today) if len(vats) == 1 else None
        facts: dict[str, Scalar] = {"rate": rate}
        yield _code(names, "tax", code, names.category_names.get(code, ""), facts, shape=shape)
    for code, name in names.vat_zones.items():
        yield _code(names, "tax_zone", code, name, shape=shape)
    for code, name in names.currencies.items():
        told = names.rates.get(code)
        facts = {"rate": None if told is None or told[1] == "Divide" else told[0]}
        yield _code(names, "currency", code, name, facts, shape=shape)
    for segment in names.segments.values():
        for value, active in segment.values.items():
            label = segment.labels.get(value, "")
            yield _code(names, segment.kind, value, label, active=active, shape=shape)
    for code, row in names.projects.items():
        yield _project(names, code, row, shape)
    for code, name in names.branches.items():
        yield _code(names, BRANCH, code, name, shape=shape)


def _terms(names: Names, code: str, row: Payload, shape: str) -> Code:
    facts: dict[str, Scalar] = {"type": text_of(row, "dueDateType")}
    days = row.get("dueDay1")
    if isinstance(days, int) and text_of(row, "dueDateType") == "FixedNumberOfDays":
        facts["days"] = days
    # Terms in instalments split an invoice in its release: none that we make may have them.
    return _code(
        names,
        "terms",
        code,
        text_of(row, "description"),
        facts,
        active=not is_split(row),
        shape=shape,
    )


def _project(names: Names, code: str, row: Payload, shape: str) -> Code:
    tasks = ", ".join(text_of(task, "taskId") for task in rows_of(row, "tasks"))
    return _code(
        names,
        PROJECT,
        code,
        text_of(row, "description"),
        {"tasks": tasks or None},
        active=text_of(row, "status") not in ENDED and code != NON_PROJECT,
        shape=shape,
    )


def _code(
    names: Names,
    kind: str,
    code: str,
    name: str = "",
    facts: Mapping[str, Scalar] | None = None,
    *,
    active: bool = True,
    shape: str = "",
) -> Code:
    return Code(
        kind=kind,
        code=code,
        name=name or code,
        ref=names.ref("code", f"{kind}:{code}"),
        active=active,
        facts={key: value for key, value in (facts or {}).items() if value is not None},
        shape=shape,
    )
