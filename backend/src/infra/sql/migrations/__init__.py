"""The steps from one schema to the next, applied by Alembic. HEAD is the newest (a test checks it)."""

HEAD = "0003"

__all__ = ["HEAD"]
