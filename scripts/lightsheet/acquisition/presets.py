"""The names that known microscopes write: for each preset, the forms that a name may have.

A form is a sequence of parts, each a regular expression and the words for it, so that a name that does not fit is
answered with the place where the reading stopped and with what was expected there. `names` reads by them.
"""

import re
from typing import NamedTuple


class Part(NamedTuple):
    """A piece of a form: the regular expression that reads it, and what to call it in an error."""

    regex: str
    expected: str


Form = tuple[Part, ...]

SUFFIXES = (".tif", ".tiff", ".btf")
ZARR_SUFFIX = ".zarr"

_SUFFIX = rf"(?i:{'|'.join(map(re.escape, SUFFIXES))}|(?:\.ome)?\{ZARR_SUFFIX})\Z"
_PREFIX = r"(?:(?P<prefix>[^/]+?)_)?"
_END = Part(rf"(?i:\.ome)?{_SUFFIX}", "the end: .tif, .tiff or .btf")

# Lattice light-sheet microscopes (Janelia's LLSM and AO-LLSM control programs, versions since about 2014).
_LATTICE_END = Part(_SUFFIX, "times, a tile, or the end: .tif, .tiff or .btf")
_LATTICE: Form = (
    Part(
        r"(?:(?P<prefix>.+?)_)??(?:Iter(?:_(?P<iter>\d+(?:_\d+)?))?_)?(?:(?P<camera>Cam[A-Z])_)?ch(?P<channel>\d+)",
        "a channel such as '_ch0'",
    ),
    Part(r"(?:_CAM\d+)?_stack(?P<stack>\d+)", "a stack number such as '_stack0000'"),
    Part(r"_(?P<wavelength>\d+)nm(?:-[^_.]+)?", "a wavelength such as '_560nm'"),
    Part(r"(?:_(?P<milliseconds>\d+)msec(?!Abs))?(?:_(?P<milliseconds_absolute>\d+)msecAbs)?", "times"),
    Part(r"(?:_(?P<x>-?\d+)x_(?P<y>-?\d+)y_(?P<z>-?\d+)z)?(?:_(?P<timepoint_suffix>\d+)t)?", "a tile"),
    Part(r"(?:_part(?P<part>\d+))?", "a part such as '_part0001'"),
    _LATTICE_END,
)
# The same group's PSFs and scans saved by hand; z100nm and zp36 are z steps of 0.1 and 0.36 um.
_LATTICE_SAVED: Form = (
    Part(r"(?P<prefix>.+?)_(?P<wavelength>[3-9]\d\d)(?=_)", "a wavelength such as '_560'"),
    Part(
        r"(?:_[A-Za-z0-9]+)*?_z(?:(?P<z_step_nm>\d+)nm|(?P<z_step_um>\d*p\d+))",
        "a z step such as '_z100nm' or '_zp36'",
    ),
    Part(r"(?:_cell\d+)?", "a cell"),
    _LATTICE_END,
)

# mesoSPIM-control's file name wizard. A filter's name may have underscores.
_MESOSPIM: Form = (
    Part(_PREFIX + r"Mag[^_/]+", "a magnification such as 'Mag1.25x'"),
    Part(r"_Tile(?P<position>\d+)", "a tile such as '_Tile0'"),
    Part(r"_Ch(?P<wavelength>\d+)", "a laser in nm such as '_Ch561'"),
    Part(
        r"(?:_Flt[^/]+?)?_(?P<view>Sh\d+_Rot-?\d+(?:\.\d+)?)",
        "a filter, or the light sheet's side and the rotation such as '_Sh0_Rot0'",
    ),
    _END,
)

# ImSpector (LaVision, Miltenyi). Filters of one camera are channels too: all of them may be C00.
_ULTRAMICROSCOPE: Form = (
    Part(_PREFIX + r"(?:UltraII|Blaze)", "the microscope: 'UltraII' or 'Blaze'"),
    Part(
        r"(?:\[(?P<x>\d+) x (?P<y>\d+)\])?_(?:(?P<filter>C\d+_(?:UltraII|Blaze) Filter\d+)|C(?P<channel>\d+))",
        "a tile and a channel such as '[00 x 00]_C00'",
    ),
    Part(r"(?:_(?:xyz-Table )?Z(?P<plane>\d+))?", "a plane such as '_xyz-Table Z0000'"),
    _END,
)

_NAVIGATE: Form = (
    Part(_PREFIX + r"CH(?P<channel>\d+)", "a channel such as 'CH00'"),
    Part(r"_(?P<timepoint>\d+)", "a timepoint such as '_000000'"),
    _END,
)

# SiMView and IsoView: a stack or a plane a file. Other phases than 0 come from structured illumination.
_SIMVIEW: Form = (
    Part(r"SPC(?P<position>\d+)", "a specimen such as 'SPC00'"),
    Part(r"_TM(?P<timepoint>\d+)", "a timepoint such as '_TM00000'"),
    Part(r"_ANG(?P<angle>\d+)", "an angle such as '_ANG000'"),
    Part(r"_CM(?P<camera>\d+)", "a camera such as '_CM0'"),
    Part(r"_CHN(?P<channel>\d+)", "a channel such as '_CHN00'"),
    Part(r"_PH(?:0+(?!\d)|(?P<phase>\d+))", "a phase such as '_PH0'"),
    Part(r"(?:_PLN(?P<plane>\d+))?", "a plane such as '_PLN0000'"),
    _END,
)

# Micro-Manager 2, separate files: each axis that the acquisition has, in alphabetical order.
_MICROMANAGER_PLANES: Form = (
    Part(r"img(?=_(?:channel|position|time|z)\d)", "'img' and an axis such as '_channel000'"),
    Part(
        r"(?:_channel(?P<channel>\d+))?(?:_position(?P<position>\d+))?(?:_time(?P<timepoint>\d+))?(?:_z(?P<plane>\d+))?",
        "axes such as '_channel000_position000_time000000000_z000'",
    ),
    _END,
)
# Micro-Manager 1.4: the channel is a name, or nothing.
_MICROMANAGER_14: Form = (
    Part(r"img_(?P<timepoint>\d+)", "'img' and a timepoint such as 'img_000000000'"),
    Part(r"_(?P<channel>[^/]+?)?_(?P<plane>\d+)", "a channel and a plane such as '_GFP_000'"),
    _END,
)
# Its stacks. Labels of a grid are 2-Pos_001_000, 2-Pos001_000 or Pos-2-001_000: grid, column, row.
_MICROMANAGER_STACK: Form = (
    Part(_PREFIX + "MMStack", "'MMStack'"),
    Part(
        r"(?:_(?:Default|(?P<grid>\d+)-Pos_?(?P<x>\d+)_(?P<y>\d+)"
        r"|Pos-(?P<grid_number>\d+)-(?P<column>\d+)_(?P<row>\d+)"
        r"|Pos(?P<position>\d+)|(?P<label>[A-Za-z][^_/]*?)))?",
        "a position such as '_Pos0' or '_2-Pos001_000'",
    ),
    Part(r"(?:_(?P<part>[1-9]\d*))?", "a part such as '_1'"),
    _END,
)

# Its newer stacks, which pycro-manager writes too.
_NDTIFF: Form = (
    Part(_PREFIX + "NDTiffStack", "'NDTiffStack'"),
    Part(r"(?:_(?P<part>[1-9]\d*))?", "a part such as '_1'"),
    _END,
)

_DISPIM: Form = (
    Part(_PREFIX + "(?P<view>SPIM[AB])", "a view: 'SPIMA' or 'SPIMB'"),
    Part(r"[-_](?P<timepoint>\d+)", "a timepoint such as '-0' or '_0'"),
    _END,
)

# What Fiji's SPIM plugins read and write, and so what Zeiss Z.1 and OpenSPIM data are passed on as.
_SIDES = (("Channel", "channel"), ("Angle", "view_angle"), ("Illum", "illumination"))
_ZEISS: Form = (
    Part(_PREFIX + r"(?:spim_TL|TP)(?P<timepoint>\d+)", "a timepoint such as 'spim_TL01'"),
    Part(
        "(?:" + "|".join(rf"_{word}(?P<{group}>\d+)(?!.*_{word}\d)" for word, group in _SIDES) + ")+",
        "'_Angle1', '_Channel0' or '_Illum0', each once",
    ),
    _END,
)

# Folders FIRST/FIRST_SECOND are stage positions in 0.1 um, as TeraStitcher wants them.
_SMARTSPIM: Form = (
    Part(
        r"Ex_(?P<wavelength>\d+)_(?:Em_(?P<emission>\d+)|Ch(?P<channel>\d+))",
        "a channel's folder such as 'Ex_488_Em_525'",
    ),
    Part(r"/(?P<x>-?\d+)", "a column's folder such as '/483090'"),
    Part(r"/(?P=x)_(?P<y>-?\d+)", "a tile's folder such as '/483090_713010' in '/483090'"),
    Part(r"/(?P<plane>\d+)", "a plane such as '/000000'"),
    _END,
)

_PLAIN: Form = (
    Part("(?P<channel>[^_/]+)", "a channel without '_'"),
    Part(r"_(?P<timepoint>\d+)", "a timepoint such as '_0000'"),
    _END,
)

# Where several read the same names, the first is the likeliest.
PRESETS: dict[str, tuple[Form, ...]] = {
    "lattice": (_LATTICE, _LATTICE_SAVED),
    "mesospim": (_MESOSPIM,),
    "ultramicroscope": (_ULTRAMICROSCOPE,),
    "navigate": (_NAVIGATE,),
    "simview": (_SIMVIEW,),
    "micromanager": (_MICROMANAGER_PLANES, _MICROMANAGER_14, _MICROMANAGER_STACK, _NDTIFF),
    "dispim": (_DISPIM,),
    "zeiss": (_ZEISS,),
    "smartspim": (_SMARTSPIM,),
    "plain": (_PLAIN,),
}

# How many folders lie between input.folder and the files; 0 for the other presets.
DEPTHS = {"smartspim": 3}

# By suffix, the other formats that microscopes write, and what to do with them.
OTHER_FORMATS: dict[str, tuple[str, str]] = {
    ".czi": ("a Zeiss CZI file", "export it as TIFF with ZEN, or with Fiji's Bio-Formats"),
    ".lsm": ("a Zeiss LSM file", "export it as TIFF with ZEN or Fiji"),
    ".lif": ("a Leica LIF file", "export it as TIFF with LAS X, or with Fiji's Bio-Formats"),
    ".nd2": ("a Nikon ND2 file", "export it as TIFF with NIS-Elements, or with Fiji's Bio-Formats"),
    ".oir": ("an Olympus OIR file", "export it as TIFF with its program, or with Fiji's Bio-Formats"),
    ".sldy": ("a SlideBook 7 folder", "export it as TIFF with SlideBook"),
    ".sld": ("a SlideBook file", "export it as TIFF with SlideBook"),
    ".ims": ("an Imaris file", "export it as TIFF with Imaris, or with Fiji's Bio-Formats"),
    ".h5": ("an HDF5 file", "export it as TIFF, from BigDataViewer's HDF5 with Fiji's BigStitcher"),
    ".n5": ("an N5 store", "export it as TIFF with Fiji"),
    ".klb": ("a Keller Lab Block file", "convert it to TIFF with Fiji's KLB reader or pyklb"),
    ".stack": ("a SiMView stack, raw numbers without a header", "write it as TIFF with the sizes from its XML file"),
    ".raw": ("raw numbers without a header", "write it as TIFF (Fiji: File > Import > Raw, then Save As)"),
    ".dcimg": ("a Hamamatsu DCIMG file", "export it as TIFF with HCImage"),
    ".zarr.zip": ("a packed Zarr store", "unpack it"),
    ".ozx": ("a packed OME-Zarr", "unpack it"),
    ".zarr": ("a Zarr store", "name it as input.folder, or keep it apart from TIFFs"),
}


def is_tiff(name: str) -> bool:
    """Tell by its suffix whether a file is a TIFF."""
    return name.lower().endswith(SUFFIXES)


def explain_other_format(name: str) -> str | None:
    """Say what to do with a file, or a folder, of another format than TIFF; None where its suffix is not known."""
    for suffix, (description, advice) in OTHER_FORMATS.items():
        if name.rstrip("/").lower().endswith(suffix):
            return f"{name}: is {description}, not a TIFF; {advice}"
    return None
