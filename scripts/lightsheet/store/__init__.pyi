from .cut_volume import CutVolume as CutVolume
from .last_bits import ALL_BITS as ALL_BITS, round_last_bits as round_last_bits
from .lock import hold_lock as hold_lock
from .lock_watch import RUNS as RUNS, end_with_run as end_with_run
from .manifest import make_manifest as make_manifest, read_records as read_records
from .ngff import (
    NGFF_VERSION as NGFF_VERSION,
    describe_channels as describe_channels,
    describe_multiscales as describe_multiscales,
)
from .paths import (
    CONFIG_FILE as CONFIG_FILE,
    README_FILE as README_FILE,
    REQUIREMENTS_FILE as REQUIREMENTS_FILE,
    SNAKEFILE_COPY as SNAKEFILE_COPY,
    VOLUMES_FILE as VOLUMES_FILE,
    Results as Results,
    VolumeKey as VolumeKey,
    name_measured_psf as name_measured_psf,
    shard_path as shard_path,
)
from .publish import (
    makes_links as makes_links,
    publish_store as publish_store,
    repair_store as repair_store,
)
from .published_image import (
    PublishedChannel as PublishedChannel,
    PublishedImage as PublishedImage,
    find_finished as find_finished,
    find_run_folder as find_run_folder,
    read_channel_image as read_channel_image,
    read_image as read_image,
)
from .pyramid import (
    CoarserLevel as CoarserLevel,
    Level as Level,
    Shape as Shape,
    choose_chunk as choose_chunk,
    downsample as downsample,
    make_shape as make_shape,
    plan_levels as plan_levels,
)
from .records import (
    Record as Record,
    is_done as is_done,
    make_failure as make_failure,
    make_record as make_record,
    read_record as read_record,
    shards_exist as shards_exist,
    time_stage as time_stage,
    write_hole as write_hole,
)
from .shard import find_fault as find_fault, iterate_chunks as iterate_chunks, write_shard as write_shard
from .shard_codec import Codec as Codec, complete_codec as complete_codec
from .status import BlockStatus as BlockStatus, read_statuses as read_statuses, write_status as write_status
from .volumes import (
    StoreLayout as StoreLayout,
    open_shard as open_shard,
    read_cut_volume as read_cut_volume,
    read_volume as read_volume,
    write_volume as write_volume,
)
from .write_array import write as write
