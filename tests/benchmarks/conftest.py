"""The benchmarks are scripts, not a package: their folder is put on the path as Python does for a script."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
