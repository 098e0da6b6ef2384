from .backlog import find_backlog as find_backlog
from .blocks import find_block as find_block
from .choices import (
    choose_due as choose_due,
    choose_for_pilot as choose_for_pilot,
    has_fill as has_fill,
    refuse_hopeless_channels as refuse_hopeless_channels,
)
from .config import check_config as check_config, list_pilot_methods as list_pilot_methods
from .consolidate import (
    check_shards as check_shards,
    publish_stores as publish_stores,
    write_manifest as write_manifest,
)
from .disk import check_copies as check_copies
from .jobs import (
    COORDINATORS as COORDINATORS,
    INGEST_CORES as INGEST_CORES,
    MB as MB,
    RULES as RULES,
    SLURM_CORES as SLURM_CORES,
    Jobs as Jobs,
    estimate_psf_shape as estimate_psf_shape,
)
from .open_keys import TODO as TODO, list_open_keys as list_open_keys
from .prepare import prepare_run as prepare_run
from .progress import (
    list_failed_volumes as list_failed_volumes,
    list_outputs as list_outputs,
    summarise_run as summarise_run,
)
from .publication import (
    identify_publication as identify_publication,
    read_identity as read_identity,
    repair_stores as repair_stores,
)
from .run import KINDS as KINDS, Run as Run
from .scan_geometry import list_expectations as list_expectations
from .selection import (
    choose_spans as choose_spans,
    parse_timepoints as parse_timepoints,
)
from .slurm_requests import (
    fit_run_workers as fit_run_workers,
    plan_least_needs as plan_least_needs,
    request_jobs as request_jobs,
    request_team as request_team,
)
from .suspects import (
    Suspicion as Suspicion,
    describe_suspicions as describe_suspicions,
    find_suspicions as find_suspicions,
)
from .unfinished_files import (
    remove_unfinished as remove_unfinished,
    remove_unfinished_pages as remove_unfinished_pages,
)
