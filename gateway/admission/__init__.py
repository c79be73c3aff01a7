"""The gate: what a request must pass before any backend sees a byte of it."""

from gateway.admission.gate import Gate, Limits
from gateway.admission.rights import EVERYBODY, Rights
from gateway.admission.threads import admit

__all__ = ["EVERYBODY", "Gate", "Limits", "Rights", "admit"]
