"""The audit log: what became of each request, in lines that carry the hash of the one before."""

from gateway.audit.log import AuditLog
from gateway.audit.record import Record, Write

__all__ = ["AuditLog", "Record", "Write"]
