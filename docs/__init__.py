"""The documents, and what keeps their tables in step with the code."""
