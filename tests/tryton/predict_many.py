"""
How often is the prediction of a Tryton total wrong?  python tests/tryton/predict_many.py 2000

Writes so many drafts, half of them with VAT rounded on the document and half on the line, and
prints each one that shows other figures than were predicted. Ends with 1 where there is one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Runs the test of the same name with that many documents, so that its fixtures serve."""
    count = sys.argv[1] if len(sys.argv) > 1 else "2000"
    seed = sys.argv[2] if len(sys.argv) > 2 else str(time.time_ns() % 1_000_000)
    test = "tests/tryton/test_predictions.py::test_documents_by_chance"
    command = [sys.executable, "-m", "pytest", test, "-q", "-s", "--timeout=7200"]
    asked = {"TIEOUT_TRYTON_DOCUMENTS": count, "TIEOUT_TRYTON_SEED": seed}
    return subprocess.run(command, cwd=ROOT, check=False, env={**os.environ, **asked}).returncode


if __name__ == "__main__":
    sys.exit(main())
