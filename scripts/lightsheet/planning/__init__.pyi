from .first_config import (
    FirstConfig as FirstConfig,
    make_first_config as make_first_config,
    write_first_config as write_first_config,
)
from .imaginary_run import imagine_run as imagine_run
from .pilot import measure_job_age as measure_job_age, run_pilot as run_pilot
from .pilot_plan import (
    describe_outcome as describe_outcome,
    is_pilot_current as is_pilot_current,
    plan_layouts as plan_layouts,
    plan_pilot as plan_pilot,
)
from .place import (
    choose_place as choose_place,
    describe_machine as describe_machine,
    read_profile as read_profile,
)
from .plan import plan_run as plan_run
