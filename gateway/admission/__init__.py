"""The gate: what a request must pass before any backend sees a byte of it.

Messages come in; a call goes out, or a refusal that says why. It knows contracts and SOAP; no
queue, no listener.
"""

from gateway.admission.gate import Gate, Limits
from gateway.admission.rights import EVERYBODY, Rights
from gateway.admission.threads import admit

__all__ = ["EVERYBODY", "Gate", "Limits", "Rights", "admit"]
