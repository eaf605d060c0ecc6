"""Redis: a server, or one inside this process."""

from backend.src.infra.cache.errors import CacheUnavailable
from backend.src.infra.cache.lease import Lease
from backend.src.infra.cache.rate_counter import Count, RateCounter
from backend.src.infra.cache.redis import Look, Redis
from backend.src.infra.cache.subscription import GAP, Gap

__all__ = ["GAP", "CacheUnavailable", "Count", "Gap", "Lease", "Look", "RateCounter", "Redis"]
