"""The gate: what a request must pass before any backend sees a byte of it."""

from gateway.admission.gate import Gate, Limits

__all__ = ["Gate", "Limits"]
