"""The old SOAP sign-in with user name, password and security token."""

from __future__ import annotations

import re
from html import escape, unescape

from tieout_sandbox.kit.http import Request, Response
from tieout_sandbox.salesforce.oauth import SignIn
from tieout_sandbox.salesforce.org import ORG_ID, Org

FIRST_WITHOUT = 65
_ELEMENT = r"<(?:\w+:)?{0}(?:\s[^>]*)?>(.*?)</(?:\w+:)?{0}>"


def answer(org: Org, sign_in: SignIn, request: Request, base: str) -> Response:
    """`/services/Soap/u/{version}`: a session for the right user and password, else a fault."""
    version = request.segments[3] if len(request.segments) > 3 else ""
    text = request.body.decode("utf-8", "replace")
    username, password = _element(text, "username"), _element(text, "password")
    number = version.split(".")[0]
    if not number.isdigit() or int(number) >= FIRST_WITHOUT:
        return _fault("UNSUPPORTED_API_VERSION", "SOAP login() is not part of this version")
    if not org.switches.soap_login:
        return _fault("INVALID_OPERATION", "SOAP API login() is disabled by default in this org.")
    if username is None or password is None:
        return _fault("INVALID_OPERATION", "Only login() is served here")
    if not sign_in.password_fits(username, password):
        return _fault(
            "INVALID_LOGIN",
            "Invalid username, password, security token; or user locked out.",
        )
    token = sign_in.open(org.user_id)
    user = org.tables["User"].rows[org.user_id]
    kind = request.segments[2]
    server = f"{base}/services/Soap/{kind}/{version}/{ORG_ID[:15]}"
    info = {
        "organizationId": ORG_ID,
        "organizationName": str(org.tables["Organization"].rows[ORG_ID]["Name"]),
        "userEmail": str(user["Email"]),
        "userFullName": str(user["Name"]),
        "userId": org.user_id,
        "userName": username,
        "userTimeZone": str(user["TimeZoneSidKey"]),
        "userType": "Standard",
    }
    inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in info.items())
    body = (
        "<loginResponse><result>"
        f"<metadataServerUrl>{escape(server.replace(f'/{kind}/', '/m/'))}</metadataServerUrl>"
        "<passwordExpired>false</passwordExpired><sandbox>true</sandbox>"
        f"<serverUrl>{escape(server)}</serverUrl><sessionId>{escape(token)}</sessionId>"
        f"<userId>{org.user_id}</userId><userInfo>{inside}</userInfo>"
        "</result></loginResponse>"
    )
    return _envelope(200, body)


def _element(text: str, name: str) -> str | None:
    found = re.search(_ELEMENT.format(name), text, re.DOTALL)
    return unescape(found.group(1)) if found else None


def _fault(code: str, text: str) -> Response:
    detail = (
        '<sf:LoginFault xsi:type="sf:LoginFault">'
        f"<sf:exceptionCode>{code}</sf:exceptionCode>"
        f"<sf:exceptionMessage>{escape(text)}</sf:exceptionMessage></sf:LoginFault>"
    )
    return _envelope(
        500,
        f"<soapenv:Fault><faultcode>sf:{code}</faultcode>"
        f"<faultstring>{code}: {escape(text)}</faultstring><detail>{detail}</detail>"
        "</soapenv:Fault>",
    )


def _envelope(status: int, body: str) -> Response:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns="urn:partner.soap.sforce.com" xmlns:sf="urn:fault.partner.soap.sforce.com" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    )
    return Response(
        status=status, headers={"Content-Type": "text/xml; charset=utf-8"}, body=text.encode()
    )
