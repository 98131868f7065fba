"""The fixed sandbox sign-in: one system, two application tokens, one user."""

from __future__ import annotations

APPLICATION_TOKEN = "0f8fad5b-d9cb-469f-a165-70867728950e"  # noqa: S105 - public by design
TOKEN_NAME = "sync token"  # noqa: S105 - a name
READ_ONLY_TOKEN = "7c9e6679-7425-40de-944b-e07fc1f90ae7"  # noqa: S105 - public by design
READ_ONLY_NAME = "reports"
DATABASE_CODE = "nordljus"
PUBLISH_CODE = "a3b1c5d7-0000-4c11-9b0e-0000000055bb"
USERNAME = "anna.lindqvist@nordljus.example"
PASSWORD = "webcrm-sandbox-password"  # noqa: S105 - public by design
TOKEN_PATH = "/Auth/ApiLogin"  # noqa: S105 - a path


def credentials() -> dict[str, str]:
    """Everything a stranger's client needs: `application_token` goes as the form field `authCode`
    to `token_path`; `company_id` is the database code of the old sign-in."""
    return {
        "application_token": APPLICATION_TOKEN,
        "read_only_application_token": READ_ONLY_TOKEN,
        "company_id": DATABASE_CODE,
        "publish_code": PUBLISH_CODE,
        "username": USERNAME,
        "password": PASSWORD,
        "token_path": TOKEN_PATH,
        "refresh_path": "/Auth/ApiRefresh",
    }
