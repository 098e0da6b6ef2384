from .auto_iterations import (
    ESTIMATE_LAG as ESTIMATE_LAG,
    PART_SHAPE as PART_SHAPE,
    Fit as Fit,
    find_brightest_region as find_brightest_region,
)
from .blocks import (
    MemoryLimit as MemoryLimit,
    assemble_blocks as assemble_blocks,
    choose_block_shape as choose_block_shape,
    cut_blocks as cut_blocks,
    measure_halo as measure_halo,
)
from .choice import (
    check_engine as check_engine,
    decide_cpu_engine as decide_cpu_engine,
    list_engines as list_engines,
    resolve_engine as resolve_engine,
)
from .engines import (
    describe_engine as describe_engine,
    measure_fit as measure_fit,
    resolve_iterations as resolve_iterations,
    richardson_lucy as richardson_lucy,
    try_engine as try_engine,
)
from .fill import Fill as Fill, describe_fill as describe_fill, find_fill as find_fill
from .gpu_loss import end_with_gpu as end_with_gpu
from .mask import erase_unmeasured as erase_unmeasured
from .measured import LEAST_RUN as LEAST_RUN, Mask as Mask, find_measured as find_measured
from .method import (
    ALGORITHM_VERSION as ALGORITHM_VERSION,
    CHOICES as CHOICES,
    ENGINES as ENGINES,
    FOREIGN as FOREIGN,
    Method as Method,
    check_mask as check_mask,
    check_method as check_method,
    find_agreement as find_agreement,
)
from .padding import (
    make_frame as make_frame,
    make_trimmed_frame as make_trimmed_frame,
    round_up_shape as round_up_shape,
)
