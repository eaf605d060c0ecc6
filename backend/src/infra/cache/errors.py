"""What the cache raises."""

from backend.src.core.errors import Unavailable


class CacheUnavailable(Unavailable):
    """Redis did not answer, or refused; the caller does without it."""
