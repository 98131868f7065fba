"""The fixed sandbox sign-in. One company, one user, one client."""

from __future__ import annotations

CLIENT_ID = "tieout-sandbox"
CLIENT_SECRET = "visma-sandbox-client-secret"  # noqa: S105 - public by design
REFRESH_TOKEN = "visma-sandbox-refresh-token-0001"  # noqa: S105 - public by design
USERNAME = "demo@bjorkviken.example"
COMPANY_ID = "7f0a1c52-5d3e-4b8a-9c61-0000000055aa"
USER_ID = "5e7d0a11-3c42-4f7b-8e55-000000000001"
TOKEN_PATH = "/connect/token"  # noqa: S105 - a path
AUTHORIZE_PATH = "/connect/authorize"
ALL_SCOPES = (
    "ea:api offline_access ea:sales ea:sales_readonly ea:accounting ea:accounting_readonly "
    "ea:purchase ea:purchase_readonly"
)
"""What the fixed refresh token may do."""


def credentials() -> dict[str, str]:
    """Everything a stranger's client needs. The refresh token works once: its answer brings the
    next one, and a reset of the simulator makes it new again. A code from `/connect/authorize`
    can be had at any time."""
    return {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "username": USERNAME,
        "refresh_token": REFRESH_TOKEN,
        "company_id": COMPANY_ID,
        "token_path": TOKEN_PATH,
        "authorize_path": AUTHORIZE_PATH,
        "api_path": "/v2",
    }
