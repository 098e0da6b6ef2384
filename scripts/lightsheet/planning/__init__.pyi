from .advice import Disk as Disk, look_at_disk as look_at_disk
from .imagined import imagine_run as imagine_run
from .pilot import measure_job_age as measure_job_age, run_pilot as run_pilot
from .plan import Plan as Plan
from .plan_text import convert_plan as convert_plan, format_plan as format_plan
from .rates import choose_rates as choose_rates
from .site import describe_machine as describe_machine, describe_place as describe_place, read_profile as read_profile
from .sweep import (
    describe_outcome as describe_outcome,
    list_sources as list_sources,
    plan_layouts as plan_layouts,
    plan_pilot as plan_pilot,
)
from .workload import find_work as find_work
