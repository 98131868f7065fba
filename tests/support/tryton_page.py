"""
A reader for the page on Tryton: a project with a simulated Salesforce, beside a real Tryton.

    PYTHONPATH=tests python -m support.tryton_page docs/howto/connect-tryton.md

writes the real output into the page.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from support.console import Reader, rewrite, steps
from support.served_project import Served, simulator
from support.tryton_server import TrytonPlant, plant
from tieout.store.embedded import EmbeddedServer

DATABASE = "books"
# What the reader has done before: a project, the other side, a configuration.
BEFORE = """\
```console
$ tieout init nordic
$ cd nordic
$ tieout sandbox credentials salesforce --json | python3 -c "import json, sys; print(json.load(sys.stdin)['private_key'])" > ../salesforce.pem
$ tieout connection add salesforce --client-id 3MVG9sandbox.TieoutSandboxExternalClientApp --user integration@tieout-sandbox.example --secret-file ../salesforce.pem --base-url http://127.0.0.1:8701 --set currency=SEK
$ cat > tieout.yaml <<'END'
> bridge: nordic
> crm: salesforce
> books:
>   - connection: tryton-se
>     currency: [SEK, EUR]
> flows:
>   customers: {mode: shadow}
>   documents: {mode: shadow}
>   status: {mode: shadow}
> mapping:
>   customer:
>     terms: {from: account.terms, values: terms}
>   document.line:
>     item: {from: line.item, values: items}
> END
$ printf 'from,to,note\\nNet 30,30,\\n' > tables/terms.csv
$ printf 'from,to,note\\nCONSULT,KON01,\\n' > tables/items.csv
```
"""  # noqa: E501 - as it is typed


@contextmanager
def prepared(place: TrytonPlant) -> Iterator[Reader]:
    """A reader in the project's folder, who has not yet connected Tryton."""
    with tempfile.TemporaryDirectory(prefix="tieout-page-") as folder, simulator("1") as crm:
        # As root the database runs as another account, which has to pass through.
        Path(folder).chmod(0o755)
        _sell(crm)
        place.postgres.copy(place.template, DATABASE)
        serving = place.server(DATABASE)
        try:
            serving.start()
            ports = {"8701": str(urlsplit(crm.base_url).port), "8702": str(serving.port)}
            reader = Reader(Path(folder), {"TIEOUT_TEST_NOT_DURABLE": "1"}, ports)
            for step in steps(BEFORE):
                reader.run(step)
            # One user that stays, so that the database need not start for every command.
            with EmbeddedServer(reader.folder / ".tieout", durable=False):
                yield reader
        finally:
            serving.stop()
            place.postgres.drop(DATABASE)


def _sell(crm: Served) -> None:
    """Two deals are won, one of them on a product that Tryton does not know."""
    crm.act("create_product", name="Consultant, hour", code="CONSULT", price="1250")
    crm.act("create_product", name="Montage plus", code="MONTAGE", price="9640")
    account = crm.act(
        "create_account",
        name="Tallmo Skog AB",
        fields={
            "BillingStreet": "Storgatan 1",
            "BillingPostalCode": "852 31",
            "BillingCity": "Sundsvall",
            "BillingCountry": "Sweden",
            "Payment_Terms__c": "Net 30",
            "Invoice_Email__c": "faktura@tallmo.example",
        },
    )["id"]
    for name, product, quantity, price in (
        ("Lager 3", "CONSULT", "30", "1250"),
        ("Montage 7", "MONTAGE", "1", "9640"),
    ):
        line = {"product": product, "quantity": quantity, "unit_price": price}
        deal = crm.act("create_opportunity", name=name, account=account, lines=[line])["id"]
        crm.act("win", id=deal)


if __name__ == "__main__":
    for _name in [name for name in os.environ if name.startswith("TIEOUT_")]:
        if not _name.startswith("TIEOUT_TRYTON"):
            del os.environ[_name]
    with plant() as _place, prepared(_place) as _reader:
        rewrite(Path(sys.argv[1]), reader=_reader)
