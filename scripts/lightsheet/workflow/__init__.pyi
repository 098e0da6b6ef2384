from .clean_end import prepare_clean_end as prepare_clean_end
from .failures import list_disk_errors as list_disk_errors, list_failures as list_failures
from .guard import guard_execution as guard_execution
from .parts import (
    check_parsing as check_parsing,
    check_start as check_start,
    force_files as force_files,
    list_targets as list_targets,
)
from .resources import read_engines as read_engines, read_jobs as read_jobs, read_place as read_place
from .shell_names import refuse_shell_names as refuse_shell_names
