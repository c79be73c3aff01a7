"""The gate: what a request must pass before any backend sees a byte of it.

Messages come in; a call goes out, or a refusal that says why. It knows contracts and SOAP; no
queue, no listener.
"""

from gateway.admission.gate import Gate
from gateway.admission.rights import EVERYBODY, Rights
from gateway.admission.threads import admit
from gateway.limits import Limits

__all__ = ["EVERYBODY", "Gate", "Limits", "Rights", "admit"]
