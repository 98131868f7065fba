"""What a mapping raises while it is evaluated, always with the paths that were involved."""

from __future__ import annotations

from tieout.core.errors import SyncError


class MappingError(SyncError):
    """The mapping cannot give a value for this record; the message names paths and types."""

    code = "mapping_no_value"

    def __init__(self, message: str, paths: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.paths = paths


class MissingFieldError(MappingError):
    """The record does not have this field at all, which is not the same as having it empty."""

    code = "mapping_field_missing"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is not there", (path,))
        self.path = path


class UnmappedValueError(MappingError):
    """A table has no row for this value. ``where`` is where a person adds one."""

    code = "mapping_value_unmapped"

    def __init__(
        self, table: str, value: str, paths: tuple[str, ...] = (), *, where: str = ""
    ) -> None:
        super().__init__(f'"{value}" has no row in table {table}', paths)
        self.where = where or f"tables/{table}.csv"
        self.table = table
        self.value = value
