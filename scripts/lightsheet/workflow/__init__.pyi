from .config_files import check_config_files as check_config_files, describe_default as describe_default
from .config_values import type_config_values as type_config_values
from .guard import guard_execution as guard_execution
from .hidden import Hidden as Hidden
from .job_processes import may_fork_jobs as may_fork_jobs
from .module_use import Handlers as Handlers
from .outcome import describe_outcome as describe_outcome
from .parts import (
    check_parsing as check_parsing,
    force_files as force_files,
    list_targets as list_targets,
)
from .resources import read_jobs as read_jobs, read_place as read_place
from .run_error import RunError as RunError
from .shell_names import refuse_shell_names as refuse_shell_names
from .start import (
    explain_failure as explain_failure,
    find_due_outputs as find_due_outputs,
    needs_psfs as needs_psfs,
    start_run as start_run,
    tell_results as tell_results,
)
