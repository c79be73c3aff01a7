"""What the acceptance tests have already: servers of S3 and SQS, and a proxy that counts."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "acceptance"))

import servers
from faults import Call, FaultProxy, Forward
from servers import Cloud

__all__ = ["Call", "Cloud", "FaultProxy", "Forward", "servers"]
