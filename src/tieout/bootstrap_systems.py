"""Part of bootstrap: which systems there are, how each is signed in to, where its classes are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from importlib import import_module
from typing import Any

from tieout.connectors.words import truth
from tieout.core.errors import ConfigurationError
from tieout.settings.problems import suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """
    What a sign-in needs to know. ``flag`` answers it beforehand; ``secret`` goes to the vault and
    is never given on a command line; ``from_file`` says that it is asked for as a file.
    """

    name: str
    text: str
    flag: str
    secret: bool = False
    from_file: bool = False
    setting: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A way to sign in: what it asks, and the browser's part in it, where there is one."""

    name: str
    questions: tuple[Question, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    browser: Callable[[Any], BrowserAddress] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserAddress:
    """Where a person signs in, for `connectors.http.browser.authorize_address`."""

    url: str
    scope: str
    pkce: bool
    extra: Mapping[str, str] = field(default_factory=dict)


def _visma_browser(settings: Any) -> BrowserAddress:
    from tieout.connectors.visma_eaccounting.settings import SCOPES

    return BrowserAddress(
        url=settings.authorize_url, scope=SCOPES, pkce=False, extra=settings.authorize_extra()
    )


def _visma_net_browser(settings: Any) -> BrowserAddress:
    return BrowserAddress(url=settings.authorize_url, scope=settings.scopes, pkce=True)


def _salesforce_browser(settings: Any) -> BrowserAddress:
    return BrowserAddress(
        url=f"{settings.token_host}/services/oauth2/authorize",
        scope="api refresh_token",
        pkce=True,
    )


_CLIENT_ID = Question(name="client_id", text="Client id", flag="--client-id")
_CLIENT_SECRET = Question(
    name="client_secret", text="Client secret", flag="--secret-env VAR", secret=True
)
_TENANT = Question(
    name="tenant_id",
    text="Tenant id of the company (not of the customer)",
    flag="--set tenant_id=ID",
    setting="tenant_id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """
    A system that can be connected. ``settings`` and ``connector`` name classes as module:class;
    ``bound_as`` is the setting that holds the company which a connection belongs to.

    ``grants`` are the ways to sign in, the usual one first; ``api_setting`` and ``sign_in_setting``
    name the addresses that may be others than the vendor's own; ``sign_in_path`` is where a
    simulator gives tokens, '' where the setting is a host without a path. ``makes`` are the kinds
    of document that such books can make, as its connector's abilities say; ``shows_invoices`` is
    whether such a CRM can show invoices of the books as records of their own, and
    ``invoice_setting`` the setting of a connection without which it shows none;
    ``lists`` what it has beyond the usual: 'prices' of price lists to read, 'values' of pick lists
    to write; ``persons`` says whether persons of customers are held there and can be
    written.
    """

    name: str
    label: str
    side: str
    settings: str
    connector: str
    bound_as: str
    short: str
    grants: tuple[Grant, ...]
    api_setting: str
    sign_in_setting: str
    sign_in_path: str = ""
    register: str = ""
    makes: tuple[str, ...] = ()
    shows_invoices: bool = False
    invoice_setting: str = ""
    lists: tuple[str, ...] = ()
    persons: bool = False

    def grant(self, name: str) -> Grant:
        """The way to sign in of that name, '' the usual one. Raises `ConfigurationError`."""
        for entry in self.grants:
            if name in (entry.name, ""):
                return entry
        listed = ", ".join(entry.name for entry in self.grants)
        raise ConfigurationError(
            f"{self.label} has no sign-in {name}; there are {listed}.", code="setting_wrong"
        )

    def settings_class(self) -> Any:
        return _class(self.settings)

    def connector_class(self) -> Any:
        return _class(self.connector)

    def make_settings(self, values: Mapping[str, Any]) -> Any:
        """
        The settings object. Raises `ConfigurationError` for a name that it does not have, with all
        that it has, and for a value that cannot be.
        """
        kind = self.settings_class()
        self._check(kind(), values, "")
        try:
            if hasattr(kind, "from_mapping"):
                return kind.from_mapping(values)
            return _plain_settings(kind, values)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"{self.label}: {error}.", code="setting_wrong") from None

    def check_names(self, values: Mapping[str, Any]) -> None:
        """What `make_settings` would refuse in these, before anything else is asked for."""
        self._check(self.settings_class()(), values, "")

    def _check(self, defaults: Any, values: Mapping[str, Any], group: str) -> None:
        """The names, and what kind of value each has; those of a group have its name in front."""
        known = {entry.name: getattr(defaults, entry.name) for entry in fields(defaults)}
        for name, value in sorted(values.items()):
            if name not in known:
                raise _no_setting(self.label, name, known, group)
            shown, default = f"{group}{name}", known[name]
            grouped = is_dataclass(default)
            if grouped and isinstance(value, Mapping):
                self._check(default, value, f"{name}.")
            elif isinstance(value, Mapping) and not isinstance(default, Mapping):
                raise _wrong_kind(self.label, shown, "one value, not a group of names")
            elif isinstance(value, (int, str)) and (grouped or isinstance(default, Mapping)):
                raise _wrong_kind(self.label, shown, f"a group of names: {shown}.NAME=VALUE")
            elif type(default) is int and isinstance(value, str) and not value.strip().isdigit():
                raise _wrong_kind(self.label, shown, f'a whole number, not "{value}"')


SYSTEMS: Mapping[str, System] = {
    entry.name: entry
    for entry in (
        System(
            name="salesforce",
            label="Salesforce",
            side="crm",
            lists=("values",),
            persons=True,
            settings="tieout.connectors.salesforce:SalesforceSettings",
            shows_invoices=True,
            connector="tieout.connectors.salesforce:SalesforceConnector",
            bound_as="org_id",
            short="salesforce",
            api_setting="api_url",
            sign_in_setting="login_url",
            register="Make an External Client App in Salesforce (Setup, External Client App "
            "Manager) with the scopes api and refresh_token.",
            grants=(
                Grant(
                    name="jwt",
                    settings={"grant": "jwt"},
                    questions=(
                        _CLIENT_ID,
                        Question(
                            name="user",
                            text="User name of the integration user",
                            flag="--user",
                            setting="user",
                        ),
                        Question(
                            name="private_key",
                            text="File with the private key",
                            flag="--secret-file FILE",
                            secret=True,
                            from_file=True,
                        ),
                    ),
                ),
                Grant(
                    name="refresh",
                    settings={"grant": "refresh"},
                    questions=(_CLIENT_ID, _CLIENT_SECRET),
                    browser=_salesforce_browser,
                ),
                Grant(
                    name="client_credentials",
                    settings={"grant": "client_credentials"},
                    questions=(
                        _CLIENT_ID,
                        _CLIENT_SECRET,
                        Question(
                            name="my_domain",
                            text="Address of the org (https://name.my.salesforce.com)",
                            flag="--my-domain",
                            setting="my_domain",
                        ),
                    ),
                ),
            ),
        ),
        System(
            name="webcrm",
            label="webCRM",
            side="crm",
            persons=True,
            shows_invoices=True,
            invoice_setting="invoice.key",
            settings="tieout.connectors.webcrm:WebcrmSettings",
            connector="tieout.connectors.webcrm:WebcrmConnector",
            bound_as="system_id",
            short="webcrm",
            api_setting="api_url",
            sign_in_setting="login_url",
            register="Make an application token of its own for Tieout in webCRM: Configuration, "
            "Integration, API, REST.",
            grants=(
                Grant(
                    name="application_token",
                    questions=(
                        Question(
                            name="client_secret",
                            text="Application token",
                            flag="--secret-env VAR",
                            secret=True,
                        ),
                    ),
                ),
            ),
        ),
        System(
            name="visma_eaccounting",
            label="Visma eAccounting",
            side="books",
            makes=("invoice_draft", "invoice", "sales_order"),
            lists=("prices",),
            settings="tieout.connectors.visma_eaccounting:VismaSettings",
            connector="tieout.connectors.visma_eaccounting:VismaConnector",
            bound_as="company_id",
            short="visma",
            api_setting="api_url",
            sign_in_setting="token_url",
            sign_in_path="/connect/token",
            register="Visma's API support registers the app and its redirect address.",
            grants=(
                Grant(
                    name="refresh",
                    questions=(_CLIENT_ID, _CLIENT_SECRET),
                    browser=_visma_browser,
                ),
            ),
        ),
        System(
            name="visma_net",
            label="Visma.net",
            side="books",
            persons=True,
            makes=("invoice_draft", "invoice", "sales_order"),
            lists=("prices",),
            settings="tieout.connectors.visma_net:VismaNetSettings",
            connector="tieout.connectors.visma_net:VismaNetConnector",
            bound_as="company_id",
            short="visma-net",
            api_setting="api_url",
            sign_in_setting="token_url",
            sign_in_path="/connect/token",
            register="Make a service application in the developer portal of Visma, and let the "
            "company's administrator connect it to the company's tenant in Visma App Store.",
            grants=(
                Grant(
                    name="client_credentials",
                    settings={"grant": "client_credentials"},
                    questions=(_CLIENT_ID, _CLIENT_SECRET, _TENANT),
                ),
                Grant(
                    name="refresh",
                    settings={"grant": "refresh"},
                    questions=(
                        _CLIENT_ID,
                        _CLIENT_SECRET,
                        _TENANT,
                        Question(
                            name="company_number",
                            text="Number of the company (ipp-company-id)",
                            flag="--set company_number=NUMBER",
                            setting="company_number",
                        ),
                    ),
                    browser=_visma_net_browser,
                ),
            ),
        ),
        System(
            name="tryton",
            label="Tryton",
            side="books",
            makes=("invoice_draft", "invoice", "sales_order"),
            settings="tieout.connectors.tryton:TrytonSettings",
            connector="tieout.connectors.tryton:TrytonConnector",
            bound_as="company_id",
            short="tryton",
            api_setting="api_url",
            sign_in_setting="api_url",
            register="Make a user for Tieout in Tryton with the group Accounting, in English, "
            "with the one company.",
            grants=(
                Grant(
                    name="password",
                    questions=(
                        Question(
                            name="database",
                            text="Name of the database",
                            flag="--set database=NAME",
                            setting="database",
                        ),
                        Question(
                            name="user",
                            text="Login of Tieout's user",
                            flag="--user",
                            setting="login",
                        ),
                        Question(
                            name="password",
                            text="Its password",
                            flag="--secret-env VAR",
                            secret=True,
                        ),
                    ),
                ),
            ),
        ),
    )
}


def system_named(name: str) -> System:
    """The system of that name. Raises `ConfigurationError` with the names that there are."""
    found = SYSTEMS.get(name)
    if found is None:
        raise ConfigurationError(
            f'There is no system "{name}"; there are {", ".join(SYSTEMS)}.', code="unknown_system"
        )
    return found


def _no_setting(label: str, name: str, known: Mapping[str, Any], group: str) -> ConfigurationError:
    near = suggestion(name, known)
    names = ", ".join(f"{group}{each}" for each in sorted(known))
    return ConfigurationError(
        f"{label} has no setting {group}{name}.",
        code="setting_wrong",
        hint=f"{near} There are {names}.".strip(),
    )


def _wrong_kind(label: str, name: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"{label}: {name} is {what}.", code="setting_wrong")


def _class(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def _plain_settings(kind: Any, values: Mapping[str, Any]) -> Any:
    known = {entry.name: entry for entry in fields(kind)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"no such setting: {', '.join(unknown)}")
    defaults = kind()
    made = {name: _as(name, value, getattr(defaults, name)) for name, value in values.items()}
    return kind(**made)


def _as(name: str, value: Any, default: Any) -> Any:
    if value is None:
        return None
    return truth(name, value) if isinstance(default, bool) else type(default)(value)
