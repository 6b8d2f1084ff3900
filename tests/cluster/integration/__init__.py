"""Real servers and history clients, without namespaces: what is told of them is checked."""

import sys

from clients import ROOT

sys.path.insert(0, str(ROOT / "tools"))
