"""What the acceptance tests have already: servers, a counting proxy, callers with WS-Security."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "acceptance"))

import servers
import wsse
from faults import Call, FaultProxy, Forward
from servers import Cloud

__all__ = ["Call", "Cloud", "FaultProxy", "Forward", "servers", "wsse"]
