"""The audit log: what became of each request, in lines that carry the hash of the one before.

Events come in, lines of a file go out. It depends on events, messages and errors.
"""

from gateway.observe.audit.chain import Write, nowhere
from gateway.observe.audit.log import AuditLog
from gateway.observe.audit.record import recorded

__all__ = ["AuditLog", "Write", "nowhere", "recorded"]
