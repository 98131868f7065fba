# This file is part of tieout-tryton, which is free software under the GNU General Public
# License, version 3 or later. See the LICENSE file of this package.
"""
Tryton's own checks of a module, and what ours promises, inside the server's process.

    DB_NAME=:memory: TRYTOND_DATABASE__URI=sqlite:// python -m unittest discover -s tests
"""

from trytond.model.exceptions import SQLConstraintError
from trytond.pool import Pool
from trytond.tests.test_tryton import ModuleTestCase, with_transaction


class TieoutTestCase(ModuleTestCase):
    """The checks that every module of Tryton goes through, and those below."""

    module = "tieout"
    extras = ("sale",)

    @with_transaction()
    def test_key_is_unique_and_not_copied(self):
        Party = Pool().get("party.party")
        (first,) = Party.create([{"name": "Nordhavn", "tieout_key": "k1"}])
        (copied,) = Party.copy([first])
        self.assertIsNone(copied.tieout_key)
        with self.assertRaisesRegex(SQLConstraintError, "The Tieout key must be unique"):
            Party.create([{"name": "Other", "tieout_key": "k1"}])

    @with_transaction()
    def test_key_is_on_every_model_that_is_written(self):
        for name in ("party.party", "account.invoice", "sale.sale"):
            with self.subTest(model=name):
                self.assertIn("tieout_key", Pool().get(name)._fields)


del ModuleTestCase
