from .dispatch import VolumeCount as VolumeCount, map_volumes as map_volumes
from .faults import FINAL as FINAL, PERMANENT as PERMANENT, SILENCE as SILENCE, TEMPORARY as TEMPORARY
from .inquiry import Inquiry as Inquiry, ask_slurm as ask_slurm
from .questions import Answer as Answer, ask_site as ask_site
from .request import (
    Request as Request,
    format_amount as format_amount,
    request_rule as request_rule,
    request_workers as request_workers,
)
from .room import Team as Team
from .rule_options import SITE_RESOURCES as SITE_RESOURCES
from .section import (
    JOBQUEUE as JOBQUEUE,
    Section as Section,
    choose_lifetime as choose_lifetime,
    read_section as read_section,
)
from .shared_queue import (
    Queue as Queue,
    ask_queue as ask_queue,
    forget_queue as forget_queue,
)
from .slurm import (
    SlurmJob as SlurmJob,
    cancel_ids as cancel_ids,
    cancel_jobs as cancel_jobs,
    label_jobs as label_jobs,
    list_clusters as list_clusters,
    read_job_id as read_job_id,
    recall_job as recall_job,
    recognise_memory_kill as recognise_memory_kill,
)
from .slurm_command import NoAnswerError as NoAnswerError
from .survey import UNKNOWN as UNKNOWN, Width as Width, find_most_cores as find_most_cores, fit_width as fit_width
from .walltime import (
    HEAD_JOB as HEAD_JOB,
    OutOfTimeError as OutOfTimeError,
    count_restarts as count_restarts,
    find_walltime as find_walltime,
    put_back as put_back,
)
from .width import Needs as Needs
from .worker_number import (
    AUTO as AUTO,
    choose_local_slots as choose_local_slots,
    choose_number as choose_number,
    count_devices as count_devices,
    limit_to_devices as limit_to_devices,
    read_number as read_number,
)
from .worker_pool import WorkerPool as WorkerPool
from .worker_request import WorkerRequest as WorkerRequest, fit_request as fit_request
from .workers import start_workers as start_workers
