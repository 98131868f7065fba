"""Half of the pairs have a real Tryton."""

import pytest

from support.tryton_server import tryton_plant

# What differed is told in full, as it is in a test.
pytest.register_assert_rewrite("pairs.scenarios", "pairs.pair", "pairs.pages")

__all__ = ["tryton_plant"]
