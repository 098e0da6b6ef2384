from .clean_end import prepare_clean_end as prepare_clean_end
from .failures import list_failures as list_failures
from .resources import read_jobs as read_jobs, read_place as read_place
