"""Live values for those who listen: subscriptions, and the protocol of the socket."""

from backend.src.services.streaming.registry import Client, Pending, StreamingCounts, SubscriptionRegistry

__all__ = ["Client", "Pending", "StreamingCounts", "SubscriptionRegistry"]
