"""`python -m tieout_sandbox` does what `tieout sandbox` does."""

import sys

from tieout_sandbox.kit.cli import run

sys.exit(run())
