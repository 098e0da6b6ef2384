from .compare import compare_results as compare_results
from .crate import write_crate as write_crate
from .raw_image import SourceImage as SourceImage, read_channel as read_channel, read_volumes as read_volumes
from .reader import Graph as Graph, parse_yaml as parse_yaml, read_crate as read_crate, read_graph as read_graph
from .repeat import FOLDER_PLACEHOLDER as FOLDER_PLACEHOLDER, list_remarks as list_remarks, make_config as make_config
from .software import describe_mixture as describe_mixture
from .verify import verify_volumes as verify_volumes
