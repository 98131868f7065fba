"""The value that a mapping gives a field, or what is wrong with it as a finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieout.core.finding import Finding
from tieout.core.mapping.errors import MappingError, MissingFieldError, UnmappedValueError
from tieout.core.policy import FieldRule


def mapped_value(
    rule: FieldRule, scope: Mapping[str, Any], who: str, findings: list[Finding]
) -> object:
    """
    What the rule gives for the record called ``who``; None where it gives nothing.

    What does not resolve is added to ``findings``.
    """
    try:
        return rule.value(scope)
    except UnmappedValueError as error:
        findings.append(
            Finding(
                code="terms_unmapped" if rule.target == "terms" else "value_unmapped",
                message=f'"{error.value}" of {who} is not in {error.where}.',
                hint="Add it.",
                place=rule.target,
                hold_on="configuration",
                values={"value": error.value, "table": error.table, "kept_in": error.where},
            )
        )
    except MissingFieldError as error:
        findings.append(
            Finding(
                code="unknown_field",
                message=f"{rule.target} of {who} needs {error.path}, which was not read.",
                hint="Correct the mapping in the configuration.",
                place=rule.target,
                hold_on="configuration",
            )
        )
    except MappingError as error:
        findings.append(
            Finding(
                code="mapping_failed",
                message=f"{rule.target} of {who} has no value: {error}.",
                hint=f"Correct the value or the mapping ({rule.text}).",
                place=rule.target,
                hold_on="configuration",
            )
        )
    return None
