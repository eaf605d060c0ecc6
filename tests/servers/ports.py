"""Free ports for the servers of the tests, from where the demonstration machine takes its own."""

from backend.src.demonstration.ports import free_port

__all__ = ["free_port"]
