from .dispatch import WorkerPool as WorkerPool, map_volumes as map_volumes
from .faults import FINAL as FINAL, PERMANENT as PERMANENT, TEMPORARY as TEMPORARY
from .inquiry import Inquiry as Inquiry, ask_slurm as ask_slurm
from .request import (
    Request as Request,
    request_rule as request_rule,
    request_workers as request_workers,
)
from .room import Team as Team
from .rule_options import SITE_RESOURCES as SITE_RESOURCES
from .section import choose_lifetime as choose_lifetime, read_section as read_section
from .shared_queue import (
    Queue as Queue,
    ask_queue as ask_queue,
    forget_queue as forget_queue,
    read_queue as read_queue,
)
from .slurm import (
    JOBQUEUE as JOBQUEUE,
    NoAnswerError as NoAnswerError,
    SlurmJob as SlurmJob,
    cancel_ids as cancel_ids,
    cancel_jobs as cancel_jobs,
    label_jobs as label_jobs,
    list_jobs as list_jobs,
    recall_job as recall_job,
    recognise_memory_kill as recognise_memory_kill,
)
from .workers import WorkerRequest as WorkerRequest, start_workers as start_workers
