from .figure import draw_psf as draw_psf
from .image import find_psf_settings as find_psf_settings, read_psf_image as read_psf_image
from .inputs import list_psf_inputs as list_psf_inputs
from .measure import save_psf as save_psf
from .preparation import prepare_psf as prepare_psf, prepare_psf_file as prepare_psf_file
from .straight import straighten_psf as straighten_psf
