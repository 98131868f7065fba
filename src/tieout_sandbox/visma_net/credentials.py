"""The fixed sandbox sign-in: one company, one service application, one interactive one."""

from __future__ import annotations

CLIENT_ID = "isv_tieout_sandbox"
CLIENT_SECRET = "visma-net-sandbox-client-secret"  # noqa: S105 - public by design
INTERACTIVE_CLIENT_ID = "isv_tieout_sandbox_interactive"
USERNAME = "api@fjordtun.example"
REFRESH_TOKEN = "visma-net-sandbox-refresh-token-0001"  # noqa: S105 - public by design
WEBHOOK_KEY = "visma-net-sandbox-webhook-key"
TENANT_ID = "5e0d0a2c-3c1b-4b7f-9a52-0b6a1a7c9e11"
"""The company's tenant, the right one."""
CUSTOMER_TENANT_ID = "5e0d0a2c-3c1b-4b7f-9a52-0b6a1a7c9e99"
"""The customer's tenant: gives a token, with which every call is refused."""
COMPANY_ID = "3006001"
"""What an interactive token names in `ipp-company-id`."""
TOKEN_PATH = "/connect/token"  # noqa: S105 - a path
AUTHORIZE_PATH = "/connect/authorize"
VERBS = ("read", "create", "update", "delete")
SERVICE = "vismanet_erp_service_api"
INTERACTIVE = "vismanet_erp_interactive_api"
ORDERS = "visma.net.erp.salesorder"
ORDER_SCOPES = (f"{ORDERS}:read", f"{ORDERS}:write")
SERVICE_SCOPES = (*(f"{SERVICE}:{verb}" for verb in VERBS), *ORDER_SCOPES)
IDENTITY_SCOPES = ("openid", "profile", "email", "tenants", "offline_access")
INTERACTIVE_SCOPES = (
    *(f"{INTERACTIVE}:{verb}" for verb in VERBS),
    f"{INTERACTIVE}:ui-extension",
    *ORDER_SCOPES,
    *IDENTITY_SCOPES,
)


def credentials() -> dict[str, str]:
    """Everything a stranger's client needs. The service application signs in with
    `client_credentials` and `tenant_id`; the interactive one has the same secret, and its refresh
    token works once (a code from `/connect/authorize` can be had at any time)."""
    return {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "tenant_id": TENANT_ID,
        "customer_tenant_id": CUSTOMER_TENANT_ID,
        "company_id": COMPANY_ID,
        "interactive_client_id": INTERACTIVE_CLIENT_ID,
        "username": USERNAME,
        "refresh_token": REFRESH_TOKEN,
        "webhook_key": WEBHOOK_KEY,
        "scope": " ".join(SERVICE_SCOPES),
        "token_path": TOKEN_PATH,
        "authorize_path": AUTHORIZE_PATH,
        "api_path": "/v1",
        "orders_path": "/api/v3",
    }
