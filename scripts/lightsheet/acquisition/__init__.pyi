from .discovery import discover as discover
from .guess_pattern import (
    Guess as Guess,
    guess_pattern as guess_pattern,
    holds_plane as holds_plane,
    suggest_template as suggest_template,
)
from .hyperstack import unfold_hyperstack as unfold_hyperstack
from .inventory import (
    describe_acquisition as describe_acquisition,
    format_inventory as format_inventory,
    write_inventory as write_inventory,
)
from .lazy import open as open
from .listing import make_natural_key as make_natural_key, walk_folders as walk_folders
from .model import (
    Acquisition as Acquisition,
    Part as Part,
    Piece as Piece,
    Tile as Tile,
    Volume as Volume,
    list_stack_pieces as list_stack_pieces,
)
from .names import fits_pattern as fits_pattern, parse_name as parse_name, suggest_preset as suggest_preset
from .page_order import PageLayout as PageLayout, find_layout as find_layout
from .presets import (
    ZARR_SUFFIX as ZARR_SUFFIX,
    explain_other_format as explain_other_format,
    is_tiff as is_tiff,
)
from .seconds import find_interval as find_interval, is_irregular as is_irregular, measure_steps as measure_steps
from .store_survey import survey_volumes as survey_volumes, take_over as take_over
from .stores import OpenedStores as OpenedStores, unfold_stores as unfold_stores
from .tile_distances import check_tile_distances as check_tile_distances
