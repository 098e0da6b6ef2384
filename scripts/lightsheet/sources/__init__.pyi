from .agreement import (
    Facts as Facts,
    explain_difference as explain_difference,
    list_facts as list_facts,
    refuse_other_facts as refuse_other_facts,
)
from .lattice_settings import read_lattice_settings as read_lattice_settings
from .metadata import FileMetadata as FileMetadata
from .mosaic import (
    describe_volume as describe_volume,
    open_mosaic as open_mosaic,
    select_tiles as select_tiles,
    stat_holes_of_region as stat_holes_of_region,
)
from .pieces import (
    PageRange as PageRange,
    Region as Region,
    Tiles as Tiles,
    format_pages as format_pages,
    list_pieces as list_pieces,
    parse_pages as parse_pages,
    stat_source as stat_source,
)
from .source_digests import (
    digest_pixels as digest_pixels,
    digest_source as digest_source,
    digest_sources as digest_sources,
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
from .zarr_stat import PieceStat as PieceStat
from .zarr_view import is_selection as is_selection
from .zarr_volume import estimate_reading as estimate_reading
