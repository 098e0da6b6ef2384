from .axes import choose_axis as choose_axis, choose_value_ticks as choose_value_ticks, cut_segments as cut_segments
from .export import export_volumes as export_volumes
from .figure import draw_figure as draw_figure
from .measures import format_measure as format_measure
from .page import write_page as write_page
from .pictures import EVEN_PICTURES as EVEN_PICTURES, choose_scale_bar as choose_scale_bar
from .projections import LONG_SIDE as LONG_SIDE
from .raw_view import (
    describe_raw_state as describe_raw_state,
    describe_raw_viewers as describe_raw_viewers,
    make_raw_view as make_raw_view,
)
from .report import OUTLIER_PICTURES as OUTLIER_PICTURES, write_report as write_report
from .server import serve_folder as serve_folder
from .viewer import (
    describe_state as describe_state,
    describe_viewers as describe_viewers,
    make_virtual_stores as make_virtual_stores,
)
from .virtual_store import find_file as find_file
