from .blocks import deconvolve_block as deconvolve_block
from .brightest_part import describe_fineness as describe_fineness
from .camera import (
    estimate_background as estimate_background,
    find_stored_per_count as find_stored_per_count,
    subtract_background as subtract_background,
)
from .channel_choices import (
    Choice as Choice,
    find_choice as find_choice,
    list_choice_basis as list_choice_basis,
    needs_choice as needs_choice,
    read_choices as read_choices,
    resolve_settings as resolve_settings,
    wait_for_choices as wait_for_choices,
    write_choices as write_choices,
)
from .channels import choose_for_channels as choose_for_channels, describe_choice as describe_choice
from .deconvolve import deconvolve_pixels as deconvolve_pixels, deconvolve_volume as deconvolve_volume
from .fill import (
    cut_image as cut_image,
    find_mask as find_mask,
    refuse_fill as refuse_fill,
    resolve_fill as resolve_fill,
)
from .fingerprint import (
    describe_piece as describe_piece,
    list_raw_inputs as list_raw_inputs,
    list_result_inputs as list_result_inputs,
    matches_source as matches_source,
    write_region as write_region,
)
from .foresight import foresee_doubts as foresee_doubts, refuse_hopeless as refuse_hopeless
from .geometry import describe_geometry as describe_geometry, find_geometry as find_geometry
from .ingest import ingest_volume as ingest_volume
from .ingest_blocks import ingest_block as ingest_block
from .memory import estimate_memory as estimate_memory, find_available_memory as find_available_memory
from .needs import ALONE_BESIDE_GPU as ALONE_BESIDE_GPU, BESIDE_GPU as BESIDE_GPU, plan_needs as plan_needs
from .sample import choose_timepoints as choose_timepoints
from .sanity import (
    Doubt as Doubt,
    advise_scale as advise_scale,
    judge_fit as judge_fit,
    judge_volume as judge_volume,
)
from .statistics import combine_parts as combine_parts, summarise_part as summarise_part
from .storages import (
    FULL as FULL,
    close_storage as close_storage,
    list_storages as list_storages,
    name_storage as name_storage,
    store_as as store_as,
)
from .straightness import describe_shift as describe_shift, refuse_shift as refuse_shift
from .trial_choices import close_settings as close_settings, list_open_settings as list_open_settings
from .units import judge_psf as judge_psf, judge_units as judge_units
from .worker_share import (
    Rate as Rate,
    describe_rate as describe_rate,
    measure_rate as measure_rate,
    share_worker as share_worker,
)
