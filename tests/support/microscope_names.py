"""Names that microscopes wrote, and what a person reads in them; those of the collection filenames.tsv first."""

from typing import NamedTuple

from lightsheet.acquisition.names import Fields


class Case(NamedTuple):
    """A name, or what stands for one in the collection, and its fields or what its refusal says."""

    name: str
    pattern: str
    expected: Fields | str


def lattice(name: str, wavelength: int, **fields: object) -> Case:
    return Case(name, "lattice", {"wavelength_nm": wavelength, **fields})  # type: ignore[dict-item]


ULTRA = "14-22-21_TH-s3-ov45-na004_UltraII[00 x 00]_C00_xyz-Table Z0000.ome.tif"
BLAZE = "{prefix}_Blaze[{tilex} x {tiley}]_C{channel}_xyz-Table Z{zslice}.ome.tif"
BLAZE_NAME = BLAZE.format(prefix="11-14-17_Alg", tilex="02", tiley="01", channel="00", zslice="0034")
BLAZE_FIELDS: Fields = {"prefix": "11-14-17_Alg", "x": 2, "y": 1, "channel": 0, "plane": 34}
SMARTSPIM = "SmartSPIM_656020_2023-06-02_20-05-39/SmartSPIM/Ex_488_Em_525/483090/483090_713010/<z>.tiff"
SMARTSPIM_NAME = SMARTSPIM.partition("/SmartSPIM/")[2].replace("<z>", "000120")  # relative to input.folder
GRID = "image_stack_tpzc_50tp_2p_5z_3c_512k_1_MMStack_2-Pos001_000.ome.tif"
PARTIAL = "Scan_Iter_0000_CamB_ch0_CAM1_stack0000_488nm_0000000msec_0113378..."

# fmt: off
LATTICE_ROWS = [
    lattice(
        "ex6-2_CamA_ch1_CAM1_stack0000_560nm_0000000msec_0001291795msecAbs_000x_000y_000z_0000t.tif",
        prefix="ex6-2", camera="CamA", channel=1, stack=0, wavelength=560,
        milliseconds=0, milliseconds_absolute=1291795, x=0, y=0, z=0, timepoint_suffix=0,
    ),
    lattice(
        "ex6-2_CamA_ch1_CAM1_stack0004_560nm_0174993msec_0001466788msecAbs_000x_000y_000z_0000t.tif",
        prefix="ex6-2", camera="CamA", channel=1, stack=4, wavelength=560,
        milliseconds=174993, milliseconds_absolute=1466788, x=0, y=0, z=0, timepoint_suffix=0,
    ),
    lattice(
        "cell5_ch0_stack0006_488nm_0005280msec_0020936553msecAbs.tif",
        prefix="cell5", channel=0, stack=6, wavelength=488, milliseconds=5280, milliseconds_absolute=20936553,
    ),
    lattice(
        "cell5_ch0_stack0000_488nm-SB_0000000msec_0020931273msecAbs.tif",
        prefix="cell5", channel=0, stack=0, wavelength=488, milliseconds=0, milliseconds_absolute=20931273,
    ),
    lattice(
        "sample_CamA_ch1_stack0000_642nm_0000000msec_0021871683msecAbs.tif",
        prefix="sample", camera="CamA", channel=1, stack=0, wavelength=642,
        milliseconds=0, milliseconds_absolute=21871683,
    ),
    lattice(
        "looptest_Iter_1_ch1_stack0000_560nm_0000000msec_0006431503msecAbs.tif",
        prefix="looptest", iter=(1,), channel=1, stack=0, wavelength=560, milliseconds=0, milliseconds_absolute=6431503,
    ),
    lattice(
        "bright00p1_Iter_CamA_ch0_stack0000_488nm.tif",
        prefix="bright00p1", camera="CamA", channel=0, stack=0, wavelength=488,
    ),
    lattice(
        "488 PSF galvo_ch0_stack0000_488nm_0000000msec_0008687820msecAbs.tif",
        prefix="488 PSF galvo", channel=0, stack=0, wavelength=488, milliseconds=0, milliseconds_absolute=8687820,
    ),
    lattice(
        "drp1_dendra2_test_1_CamA_ch0_stack0000_488nm_0000000msec_0018218290msecAbs.tif",
        prefix="drp1_dendra2_test_1", camera="CamA", channel=0, stack=0, wavelength=488,
        milliseconds=0, milliseconds_absolute=18218290,
    ),
    lattice(
        "Scan_Iter_0000_0000_CamA_ch0_CAM1_stack0000_488nm_0000000msec_0106060251msecAbs_000x_003y_000z_0000t.tif",
        prefix="Scan", iter=(0, 0), camera="CamA", channel=0, stack=0, wavelength=488,
        milliseconds=0, milliseconds_absolute=106060251, x=0, y=3, z=0, timepoint_suffix=0,
    ),
    lattice(
        "Scan_Iter_0000_0001_CamB_ch0_CAM1_stack0000_488nm_0000000msec_0106215043msecAbs_000x_000y_000z_0001t.tif",
        prefix="Scan", iter=(0, 1), camera="CamB", channel=0, stack=0, wavelength=488,
        milliseconds=0, milliseconds_absolute=106215043, x=0, y=0, z=0, timepoint_suffix=1,
    ),
    lattice(
        "ff_CamA_ch0_CAM1_stack0000_488nm_0000000msec_0096911533msecAbs_000x_000y_000z_0017t.tif",
        prefix="ff", camera="CamA", channel=0, stack=0, wavelength=488,
        milliseconds=0, milliseconds_absolute=96911533, x=0, y=0, z=0, timepoint_suffix=17,
    ),
    lattice(
        "i_CamB_ch1_CAM1_stack0000_560nm_0000000msec_0002582352msecAbs_000x_000y_000z_0000t.tif",
        prefix="i", camera="CamB", channel=1, stack=0, wavelength=560,
        milliseconds=0, milliseconds_absolute=2582352, x=0, y=0, z=0, timepoint_suffix=0,
    ),
    lattice(
        "bk_CamB_ch0_stack0000_592nm_0000000msec_0000959545msecAbs.tif",
        prefix="bk", camera="CamB", channel=0, stack=0, wavelength=592, milliseconds=0, milliseconds_absolute=959545,
    ),
    lattice(
        "mbPSF_560_NAp5nap42_z100nm.tif",
        prefix="mbPSF", wavelength=560, z_step_um=0.1,
    ),
    lattice(
        "sample_scan_560_20ms_zp36_cell1.tif",
        prefix="sample_scan", wavelength=560, z_step_um=0.36,
    ),
]

# Each row of the collection filenames.tsv: its first column, as it stands there, and the names that it is about.
ROWS: dict[str, list[Case]] = {case.name: [case] for case in LATTICE_ROWS} | {
    PARTIAL: [
        lattice(
            PARTIAL.replace("...", "123msecAbs_000x_000y_000z_0000t.tif"),
            prefix="Scan", iter=(0,), camera="CamB", channel=0, stack=0, wavelength=488, milliseconds=0,
            milliseconds_absolute=113378123, x=0, y=0, z=0, timepoint_suffix=0,
        ),
    ],
    "CHICKADEE_Mag1.25x_Tile0_Ch561_Sh0_Rot0.tiff": [
        Case("CHICKADEE_Mag1.25x_Tile0_Ch561_Sh0_Rot0.tiff", "mesospim",
             {"prefix": "CHICKADEE", "position": 0, "wavelength_nm": 561, "view": "Sh0_Rot0"}),
    ],
    "KC34_overview_Mag2x_Tile0_Ch488_Sh0_Rot0.btf": [
        Case("KC34_overview_Mag2x_Tile0_Ch488_Sh0_Rot0.btf", "mesospim",
             {"prefix": "KC34_overview", "position": 0, "wavelength_nm": 488, "view": "Sh0_Rot0"}),
    ],
    "Mag5_Tile0_Ch488_Flt405-488-561-640-Quadrupleblock_Sh1_Rot15.99995.ome.zarr": [
        Case("Mag5_Tile0_Ch488_Flt405-488-561-640-Quadrupleblock_Sh1_Rot15.99995.ome.zarr", "mesospim",
             {"position": 0, "wavelength_nm": 488, "view": "Sh1_Rot15.99995"}),
        Case("Mag5_Tile0_Ch488_Flt405-488-561-640-Quadrupleblock_Sh1_Rot15.99995.tiff", "mesospim",
             {"position": 0, "wavelength_nm": 488, "view": "Sh1_Rot15.99995"}),
    ],
    ULTRA: [
        Case(ULTRA, "ultramicroscope",
             {"prefix": "14-22-21_TH-s3-ov45-na004", "x": 0, "y": 0, "channel": 0, "plane": 0}),
    ],
    BLAZE: [
        Case(BLAZE_NAME, "ultramicroscope", BLAZE_FIELDS),
        Case(BLAZE_NAME, "{prefix}_Blaze[{x} x {y}]_C{channel}_xyz-Table Z{plane}.ome.tif", BLAZE_FIELDS),
        Case(BLAZE_NAME, BLAZE, r"there is no field \{tilex\}"),
    ],
    SMARTSPIM: [
        Case(SMARTSPIM_NAME, "smartspim",
             {"channel": "Em525", "wavelength_nm": 488, "x": 483090, "y": 713010, "plane": 120}),
        Case(SMARTSPIM, "smartspim", "at its beginning, expected a channel's folder such as 'Ex_488_Em_525'"),
    ],
    "SPC00_TM00000_ANG000_CM0_CHN00_PH0.stack": [
        Case("SPC00_TM00000_ANG000_CM0_CHN00_PH0.stack", "simview", "without a header, not a TIFF; write it as TIFF"),
        Case("SPC00_TM00000_ANG000_CM0_CHN00_PH0.tif", "simview",
             {"position": 0, "timepoint": 0, "view": "ANG000", "camera": "0", "channel": 0}),
        Case("Background_1.tif", "simview", "at its beginning, expected a specimen such as 'SPC00'"),
    ],
    "spim_TL01_Angle1.tif (…cropped_spim_TL001_Angle1.tif)": [
        Case("spim_TL01_Angle1.tif", "zeiss", {"timepoint": 1, "view": "Angle1"}),
        Case("cropped_spim_TL001_Angle1.tif", "zeiss", {"prefix": "cropped", "timepoint": 1, "view": "Angle1"}),
    ],
    "CH00_000000.tif ; 1_CH01_000000.tif": [
        Case("CH00_000000.tif", "navigate", {"channel": 0, "timepoint": 0}),
        Case("1_CH01_000000.tif", "navigate", {"prefix": "1", "channel": 1, "timepoint": 0}),
    ],
    "SPIMA-0.tif / SPIMA_0.tif + SPIMB_0.tif, PSFA.tif/PSFB.tif": [
        Case("SPIMA-0.tif", "dispim", {"view": "SPIMA", "timepoint": 0}),
        Case("SPIMA_0.tif", "dispim", {"view": "SPIMA", "timepoint": 0}),
        Case("SPIMB_0.tif", "dispim", {"view": "SPIMB", "timepoint": 0}),
        Case("PSFA.tif", "dispim", "at its beginning, expected a view: 'SPIMA' or 'SPIMB'"),
        Case("PSFB.tif", "dispim", "at its beginning, expected a view: 'SPIMA' or 'SPIMB'"),
    ],
    "img_channel000_position000_time000000000_z000.tif": [
        Case("img_channel000_position000_time000000000_z000.tif", "micromanager",
             {"channel": 0, "position": 0, "timepoint": 0, "plane": 0}),
    ],
    "X_1_MMStack_Pos0.ome.tif, X_1_MMStack_Pos0_1.ome.tif, …_10": [
        Case("X_1_MMStack_Pos0.ome.tif", "micromanager", {"prefix": "X_1", "position": 0}),
        Case("X_1_MMStack_Pos0_1.ome.tif", "micromanager", {"prefix": "X_1", "position": 0, "part": 1}),
        Case("X_1_MMStack_Pos0_10.ome.tif", "micromanager", {"prefix": "X_1", "position": 0, "part": 10}),
    ],
    GRID: [
        Case(GRID, "micromanager",
             {"prefix": "image_stack_tpzc_50tp_2p_5z_3c_512k_1", "position": 2, "x": 1, "y": 0}),
    ],
    "LHA3_R3_tiny_V01.czi": [
        Case("LHA3_R3_tiny_V01.czi", "zeiss", "a Zeiss CZI file, not a TIFF; export it as TIFF with ZEN"),
    ],
}

# Further names, as they stand in public code.
MORE = [
    Case("ECi_Mag1x_Tile12_Ch647_FltEmpty_Sh1_Rot-45.tiff", "mesospim",
         {"prefix": "ECi", "position": 12, "wavelength_nm": 647, "view": "Sh1_Rot-45"}),
    Case("Mag16_Tile0_Ch488_Flt525_50_(GFP)_Sh1_Rot0.0.tiff", "mesospim",
         {"position": 0, "wavelength_nm": 488, "view": "Sh1_Rot0.0"}),
    Case("16-17-27_0_8X-s3-20HF_UltraII_C00_xyz-Table Z1000.ome.tif", "ultramicroscope",
         {"prefix": "16-17-27_0_8X-s3-20HF", "channel": 0, "plane": 1000}),
    Case("13-43-54_0_8X-stainings_UltraII_C00_UltraII Filter0001_xyz-Table Z0007.ome.tif", "ultramicroscope",
         {"prefix": "13-43-54_0_8X-stainings", "channel": "C00_UltraII Filter0001", "plane": 7}),
    Case("14-16-41_tricocktail_UltraII[01 x 00]_C00_UltraII Filter0000.ome.tif", "ultramicroscope",
         {"prefix": "14-16-41_tricocktail", "x": 1, "y": 0, "channel": "C00_UltraII Filter0000"}),
    Case("10-43-24_IgG_UltraII[02 x 10]_C00.ome.tif", "ultramicroscope",
         {"prefix": "10-43-24_IgG", "x": 2, "y": 10, "channel": 0}),
    Case("14-23-20_382_Glyt2-647_tiles_DSI_12x_2-5x_Blaze_C02_Z0631.tif", "ultramicroscope",
         {"prefix": "14-23-20_382_Glyt2-647_tiles_DSI_12x_2-5x", "channel": 2, "plane": 631}),
    Case("exp_CH12_000345.tiff", "navigate", {"prefix": "exp", "channel": 12, "timepoint": 345}),
    Case("SPC00_TM00010_ANG090_CM1_CHN01_PH0_PLN0002.tif", "simview",
         {"position": 0, "timepoint": 10, "view": "ANG090", "camera": "1", "channel": 1, "plane": 2}),
    Case("SPC00_TM00000_ANG000_CM0_CHN00_PH2.tif", "simview",
         {"position": 0, "timepoint": 0, "view": "ANG000_PH2", "camera": "0", "channel": 0}),
    Case("img_channel001_time000000002.tif", "micromanager", {"channel": 1, "timepoint": 2}),
    Case("img_000000003_561 nm_012.tif", "micromanager", {"timepoint": 3, "channel": "561 nm", "plane": 12}),
    Case("img_000000003_Cy3_2_012.tif", "micromanager", {"timepoint": 3, "channel": "Cy3_2", "plane": 12}),
    Case("img_000000000__004.tif", "micromanager", {"timepoint": 0, "plane": 4}),
    Case("X_MMStack.ome.tif", "micromanager", {"prefix": "X"}),
    Case("MMStack_11.ome.tif", "micromanager", {"part": 11}),
    Case("live_1_MMStack_Default_2.ome.tif", "micromanager", {"prefix": "live_1", "part": 2}),
    Case("X_1_MMStack_1-Pos_009_002_3.ome.tif", "micromanager",
         {"prefix": "X_1", "position": 1, "x": 9, "y": 2, "part": 3}),
    Case("X_1_MMStack_Pos-1-001_004.ome.tif", "micromanager", {"prefix": "X_1", "position": 1, "x": 1, "y": 4}),
    Case("X_1_MMStack_embryo 3_1.ome.tif", "micromanager", {"prefix": "X_1", "position": "embryo 3", "part": 1}),
    Case("acq_1_NDTiffStack_2.tif", "micromanager", {"prefix": "acq_1", "part": 2}),
    Case("NDTiffStack.tif", "micromanager", {}),
    Case("worm_SPIMB-17.tif", "dispim", {"prefix": "worm", "view": "SPIMB", "timepoint": 17}),
    Case("spim_TL100_Channel1_Angle90.tif", "zeiss", {"timepoint": 100, "channel": 1, "view": "Angle90"}),
    Case("spim_TL01_Angle1_Channel0_Illum1.tif", "zeiss", {"timepoint": 1, "channel": 0, "view": "Angle1_Illum1"}),
    Case("TP0_Channel0_Illum0_Angle270.tif", "zeiss", {"timepoint": 0, "channel": 0, "view": "Angle270_Illum0"}),
    Case("spim_TL007_Angle0.ome.tiff", "zeiss", {"timepoint": 7, "view": "Angle0"}),
    Case("Ex_639_Ch2/-471320/-471320_-13010/000000.tiff", "smartspim",
         {"channel": 2, "wavelength_nm": 639, "x": -471320, "y": -13010, "plane": 0}),
    Case("GFP_0012.tif", "plain", {"channel": "GFP", "timepoint": 12}),
    Case("488_0012.ome.tif", "plain", {"channel": 488, "timepoint": 12}),
]

REFUSED = [
    Case("X_1_MMStack_Pos0_decon.ome.tif", "micromanager", "looks derived or renamed, '_decon' follows"),
    Case("CH00_000000_deskewed.tif", "navigate", "looks derived or renamed, '_deskewed' follows"),
    Case("MAX_CH00_000000.tif", "navigate", "looks derived, it begins with 'MAX_'"),
    Case("GFP_001_MIP.tif", "plain", "looks derived"),
    Case("my_GFP_001.tif", "plain", "after 'my' at '_GFP_001.tif', expected a timepoint"),
    Case("A_Mag1x_Tile0_Ch488_Rot0.tiff", "mesospim", "after 'A_Mag1x_Tile0_Ch488' at '_Rot0.tiff'"),
    Case("A_Mag1x_Tile0_ChRGB_Sh0_Rot0.tiff", "mesospim", "expected a laser in nm such as '_Ch561'"),
    Case("SPC00_TM00000_ANG000_CM0_CHN00.tif", "simview", "expected a phase such as '_PH0'"),
    Case("spim_TL01_Angle1_Angle2.tif", "zeiss", "each once"),
    Case("spim_TL01_Angle1.lsm", "zeiss", "a Zeiss LSM file"),
    Case("Ex_488_Em_525/483090/000000_713010/000000.tiff", "smartspim", "after 'Ex_488_Em_525/483090' at '/000000_"),
    Case("a_UltraII[00 x 00]_xyz-Table Z0000.ome.tif", "ultramicroscope", "expected a tile and a channel"),
    Case("img_GFP_000.tif", "micromanager", "at '_GFP_000.tif'|at its beginning"),
]
# fmt: on
