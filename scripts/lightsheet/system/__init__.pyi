from .bands import BandSource as BandSource, count_joint_rows as count_joint_rows
from .disk import (
    describe_disk_error as describe_disk_error,
    find_existing_parent as find_existing_parent,
    list_full_disks as list_full_disks,
    name_disk as name_disk,
    read_free_bytes as read_free_bytes,
)
from .errors import DamagedVolumeError as DamagedVolumeError, DiskError as DiskError, InputError as InputError
from .escapes import UNPRINTABLE as UNPRINTABLE, escape_lines as escape_lines, escape_name as escape_name
from .files import (
    PART as PART,
    begin_writeback as begin_writeback,
    digest_blake3 as digest_blake3,
    digest_json as digest_json,
    digest_sha256 as digest_sha256,
    flush as flush,
    make_part_name as make_part_name,
    name_unreadable as name_unreadable,
    read_json as read_json,
    repair_swap as repair_swap,
    stat_file as stat_file,
    swap_folders as swap_folders,
    wait_until_visible as wait_until_visible,
    write_json as write_json,
    write_news as write_news,
    write_text as write_text,
    write_whole as write_whole,
)
from .fork_server import (
    FEW_PAGE_FAULTS as FEW_PAGE_FAULTS,
    LIBRARY_THREADS as LIBRARY_THREADS,
    hide_main as hide_main,
    share_fork_server as share_fork_server,
    start_fork_server as start_fork_server,
    stop_fork_server as stop_fork_server,
    was_server_interrupted as was_server_interrupted,
)
from .interrupts import is_snakemake_command as is_snakemake_command, say_interrupts as say_interrupts
from .log import (
    NO_SLURM_JOB as NO_SLURM_JOB,
    NOTICE as NOTICE,
    PROGRESS_SECONDS as PROGRESS_SECONDS,
    QUIET_JOBS as QUIET_JOBS,
    UNEXPECTED as UNEXPECTED,
    PrintableFormatter as PrintableFormatter,
    Progress as Progress,
    hasten_exit as hasten_exit,
    log_job as log_job,
    log_on_screen as log_on_screen,
    log_rest_of_job as log_rest_of_job,
    logger as logger,
    name_subject as name_subject,
    silence_tifffile as silence_tifffile,
)
from .loopback import LOOPBACK as LOOPBACK, format_tunnel as format_tunnel
from .machine import (
    Allocate as Allocate,
    allocate_on_disk as allocate_on_disk,
    count_cores as count_cores,
    find_memory_limit as find_memory_limit,
    name_user as name_user,
)
from .names import RENAME as RENAME, check_path as check_path, find_name_fault as find_name_fault
from .parts import explain_missing_part as explain_missing_part, find_missing_parts as find_missing_parts
from .text import (
    format_duration as format_duration,
    format_size as format_size,
    join_first as join_first,
    write_number as write_number,
    write_ranges as write_ranges,
)
