"""A database on another host: doctor warns where its certificate is not checked."""

from __future__ import annotations

import pytest

from tieout.core.finding import Severity
from tieout.services import doctor
from tieout.services.database_line import unverified_line


def told(address: str, **more: str) -> str:
    found = unverified_line({"TIEOUT_DATABASE_URL": address, **more})
    if found is None:
        return ""
    assert found.code == "database_unverified"
    assert found.severity is Severity.WARNING
    assert "s3cret" not in found.message
    return found.message


@pytest.mark.parametrize(
    "address",
    [
        "",
        "postgresql://tieout:s3cret@localhost/tieout",
        "postgresql://tieout@127.0.0.1:5432/tieout",
        "postgresql://tieout@[::1]/tieout",
        "postgresql://tieout@/tieout?host=/var/run/postgresql",
        "postgresql:///tieout",
        "postgresql://tieout@db.example/tieout?sslmode=verify-full&sslrootcert=/etc/ssl/ca.pem",
        "postgresql+psycopg://tieout@db.example/tieout?sslmode=verify-ca",
        "postgresql://tieout@db.example/tieout?sslrootcert=system",
    ],
)
def test_a_line_that_is_here_or_verified_is_fine(address: str) -> None:
    assert told(address) == ""


@pytest.mark.parametrize(
    ("address", "host", "mode"),
    [
        ("postgresql://tieout:s3cret@db.example:5432/tieout", "db.example", "prefer"),
        ("postgresql://tieout@db.example/tieout?sslmode=require", "db.example", "require"),
        ("postgresql://tieout@10.0.0.5/tieout?sslmode=disable", "10.0.0.5", "disable"),
        ("postgresql://tieout@/tieout?host=localhost,db.example", "db.example", "prefer"),
        ("postgresql://tieout@localhost/tieout?hostaddr=10.0.0.5", "10.0.0.5", "prefer"),
        ("postgresql://tieout@/tieout?host=/run/pg&host=db.example", "db.example", "prefer"),
    ],
)
def test_another_host_that_nobody_verifies_is_told(address: str, host: str, mode: str) -> None:
    message = told(address)
    assert f"on {host} does not show" in message
    assert f"sslmode={mode}" in message


def test_what_the_address_leaves_out_is_in_the_environment() -> None:
    assert "on db.example" in told("postgresql:///tieout", PGHOST="db.example")
    assert told("postgresql://db.example/tieout", PGSSLMODE="verify-full") == ""
    assert "require" in told("postgresql://db.example/tieout", PGSSLMODE="require")


def test_doctor_warns_and_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_DATABASE_URL", "postgresql://tieout:s3cret@db.example/tieout")
    monkeypatch.delenv("PGSSLMODE", raising=False)
    found = doctor.Diagnosis()
    doctor._database(found)
    assert not found.failures
    (warning,) = found.warnings
    assert warning.text().startswith("The line to the database on db.example does not show")
    assert "sslmode=verify-full" in warning.next
    assert found.areas == []
    monkeypatch.setenv("TIEOUT_DATABASE_URL", "postgresql://tieout@localhost/tieout")
    fine = doctor.Diagnosis()
    doctor._database(fine)
    assert (fine.areas, fine.warnings) == ([], [])
    monkeypatch.setenv("TIEOUT_DATABASE_URL", "postgresql://db.example/x?sslmode=verify-full")
    doctor._database(fine)
    assert (fine.areas, fine.warnings) == (["database"], [])
