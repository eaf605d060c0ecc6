"""Long work: jobs whose record is a row in SQL."""

from backend.src.services.jobs.context import Handler, JobContext
from backend.src.services.jobs.job import Job, JobAborted, JobNotFound, JobStatus
from backend.src.services.jobs.jobs import Jobs

__all__ = ["Handler", "Job", "JobAborted", "JobContext", "JobNotFound", "JobStatus", "Jobs"]
