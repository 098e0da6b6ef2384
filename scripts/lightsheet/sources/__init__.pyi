from .agreement import (
    Facts as Facts,
    explain_difference as explain_difference,
    list_facts as list_facts,
    refuse_other_facts as refuse_other_facts,
)
from .lattice_settings import read_lattice_settings as read_lattice_settings
from .metadata import FileMetadata as FileMetadata
from .mosaic import (
    PageRange as PageRange,
    Region as Region,
    Tiles as Tiles,
    describe_volume as describe_volume,
    digest_pixels as digest_pixels,
    digest_source as digest_source,
    digest_sources as digest_sources,
    format_pages as format_pages,
    list_pieces as list_pieces,
    open_mosaic as open_mosaic,
    parse_pages as parse_pages,
    select_tiles as select_tiles,
    stat_source as stat_source,
)
from .source_stats import SourceStats as SourceStats
from .stage_positions import StagePosition as StagePosition, read_stage_positions as read_stage_positions
from .stage_scan import (
    decide_scan as decide_scan,
    measure_distance as measure_distance,
    set_plane_distance as set_plane_distance,
)
from .tiff_metadata import read_metadata as read_metadata
from .tiff_stack import (
    count_pages as count_pages,
    describe_stack as describe_stack,
    open_stack as open_stack,
    read_stack as read_stack,
)
from .voxel_size import TOLERANCE as TOLERANCE, decide_voxel_size as decide_voxel_size
from .zarr_array import ArrayLayout as ArrayLayout
from .zarr_entries import is_readable as is_readable
from .zarr_folder import is_zarr as is_zarr
from .zarr_image import StoreImage as StoreImage, read_image as read_image, read_unmeasured as read_unmeasured
from .zarr_volume import (
    PieceStat as PieceStat,
    estimate_reading as estimate_reading,
    is_selection as is_selection,
)
