"""The gate: the checks of a request before any backend sees a byte of it.

Messages come in; a call goes out, or a refusal that says why. It depends on contracts and SOAP, not
on queues or the listener.
"""

from gateway.admission.gate import Gate
from gateway.admission.rights import EVERYBODY, Rights
from gateway.admission.threads import admit
from gateway.limits import Limits

__all__ = ["EVERYBODY", "Gate", "Limits", "Rights", "admit"]
