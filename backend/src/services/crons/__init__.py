"""What runs by itself: when, in which process, and what came of it."""

from backend.src.config.schedule import Schedule
from backend.src.services.crons.background_tasks import BackgroundTasks, CronNotFound, Run, Task
from backend.src.services.crons.cron import Cron, CronStatus
from backend.src.services.crons.crons import Crons, CronState

__all__ = ["BackgroundTasks", "Cron", "CronNotFound", "CronState", "CronStatus", "Crons", "Run", "Schedule", "Task"]
