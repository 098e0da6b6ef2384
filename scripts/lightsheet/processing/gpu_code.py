"""What a GPU does to a volume before and after Richardson-Lucy, in CUDA's language.

The raw voxels and those that are stored are of types that `make_code` puts before the code. Sums are of doubles, each
thread's written to its place in `parts` and added up by `fold_parts`: the same on every run. No kernel waits within
itself, so that tests can run them on a processor.
"""

from lightsheet.processing.gpu_mask_code import MASK_CODE
from lightsheet.processing.gpu_quality_code import QUALITY_CODE

C_TYPES = {
    "uint8": "unsigned char",
    "int8": "signed char",
    "uint16": "unsigned short",
    "int16": "short",
    "uint32": "unsigned",
    "int32": "int",
    "float32": "float",
    "float64": "double",
}
"""Dtypes of voxels that the kernels take. Of 64 bits there are no integers, whose largest is no double."""

HEAD = """
typedef %s RawVoxel;
typedef %s StoredVoxel;
typedef unsigned %s StoredWord;
"""

CODE = """
#define FOR_VOXELS for (Offset i = THREAD; i < size; i += ALL_THREADS)
#define FOR_ROWS for (unsigned row = blockIdx.x; row < rows; row += gridDim.x)
#define FOR_COLUMNS for (unsigned x = threadIdx.x; x < nx; x += blockDim.x)
#define THREAD (blockIdx.x * blockDim.x + threadIdx.x)
#define ALL_THREADS (gridDim.x * blockDim.x)
typedef unsigned long long Offset;
typedef float* __restrict__ Voxels;
typedef const float* __restrict__ Source;
typedef const RawVoxel* __restrict__ Raw;
typedef const StoredVoxel* __restrict__ Stored;
typedef RawVoxel* __restrict__ RawTarget;
typedef StoredVoxel* __restrict__ Target;
typedef const unsigned char* __restrict__ Flags;
typedef unsigned char* __restrict__ Marks;
typedef const int* __restrict__ Places;
typedef int* __restrict__ Runs;
typedef double* __restrict__ Sums;
typedef const double* __restrict__ Parts;

// Where a voxel lies in a volume that is cut into chunks, which follow each other in C order.
__device__ Offset find_in_chunks(
    unsigned z, unsigned y, unsigned x, unsigned chunk_z, unsigned chunk_y, unsigned chunk_x, unsigned ny,
    unsigned nx) {
    const Offset chunk = ((Offset) (z / chunk_z) * (ny / chunk_y) + y / chunk_y) * (nx / chunk_x) + x / chunk_x;
    return ((chunk * chunk_z + z % chunk_z) * chunk_y + y % chunk_y) * chunk_x + x % chunk_x;
}

extern "C" {

__global__ void join_chunks(
    Raw chunks, RawTarget raw, unsigned chunk_z, unsigned chunk_y, unsigned chunk_x, unsigned rows, unsigned ny,
    unsigned nx) {
    FOR_ROWS FOR_COLUMNS raw[(Offset) row * nx + x] =
        chunks[find_in_chunks(row / ny, row % ny, x, chunk_z, chunk_y, chunk_x, ny, nx)];
}

__global__ void cut_chunks(
    Stored stored, Target chunks, unsigned chunk_z, unsigned chunk_y, unsigned chunk_x, unsigned rows, unsigned ny,
    unsigned nx) {
    FOR_ROWS FOR_COLUMNS chunks[find_in_chunks(row / ny, row % ny, x, chunk_z, chunk_y, chunk_x, ny, nx)] =
        stored[(Offset) row * nx + x];
}

// What is deconvolved: without the background, 0 where it was darker, or never measured.
__global__ void subtract(Raw raw, Flags measured, int is_masked, Voxels image, float background, Offset size) {
    FOR_VOXELS {
        const float light = (float) raw[i] - background;
        image[i] = light < 0 || (is_masked && !measured[i]) ? 0 : light;
    }
}

__global__ void describe_counts(
    Raw raw, Flags measured, int is_masked, Sums parts, float background, double full, Offset size) {
    double negative = 0, saturated = 0, flux = 0;
    FOR_VOXELS {
        if (is_masked && !measured[i]) continue;
        const float light = (float) raw[i] - background;
        negative += light < 0;
        saturated += raw[i] == full;
        flux += light < 0 ? 0 : light;
    }
    parts[THREAD] = negative;
    parts[ALL_THREADS + THREAD] = saturated;
    parts[2 * ALL_THREADS + THREAD] = flux;
}

__global__ void summarise(Source voxels, Sums parts, Offset size) {
    float low = voxels[0], high = voxels[0];
    double total = 0;
    FOR_VOXELS {
        const float value = voxels[i];
        low = value < low ? value : low;
        high = value > high ? value : high;
        total += value;
    }
    parts[THREAD] = low;
    parts[ALL_THREADS + THREAD] = high;
    parts[2 * ALL_THREADS + THREAD] = total;
}

// A thread folds those parts that are as many threads from each other as there are.
__global__ void fold_parts(Parts parts, Sums sums, unsigned number, int rule) {
    double total = parts[THREAD];
    for (unsigned i = THREAD + ALL_THREADS; i < number; i += ALL_THREADS) {
        const double value = parts[i];
        if (rule == 0) total += value;
        else if (rule == 1 ? value < total : value > total) total = value;
    }
    sums[THREAD] = total;
}

// As stored in whole numbers, which StoredVoxel then is; and how many were too bright.
__global__ void convert(Source result, Target stored, Sums parts, float scale, float limit, Offset size) {
    double clipped = 0;
    FOR_VOXELS {
        const float rounded = rintf(result[i] * scale);
        clipped += rounded > limit;
        stored[i] = (StoredVoxel) (rounded < 0 ? 0 : rounded > limit ? limit : rounded);
    }
    parts[THREAD] = clipped;
}

// As `store.round_last_bits`, in place: of `kept` bits the nearest, and even, of finite values; and what that changed.
__global__ void round_last_bits(Target stored, Sums parts, unsigned dropped, Offset size) {
    const bool is_whole = (StoredVoxel) 0.5f == 0;
    const unsigned signless = is_whole ? 0xFFFF : 0x7FFFFFFF, largest = is_whole ? 0xFFFF : 0x7F7FFFFF;
    const unsigned kept = 0xFFFFFFFF >> dropped << dropped, half = 1u << (dropped - 1);
    double changed = 0, energy = 0;
    FOR_VOXELS {
        union { StoredVoxel value; StoredWord word; } voxel;
        voxel.value = stored[i];
        const double exact = voxel.value;
        const unsigned word = voxel.word, magnitude = word & signless;
        if (magnitude <= (largest & kept)) voxel.word = (StoredWord) ((word + (word >> dropped & 1) + half - 1) & kept);
        else if (magnitude <= largest) voxel.word = (StoredWord) (word & kept);
        stored[i] = voxel.value;
        changed += (exact - voxel.value) * (exact - voxel.value);
        energy += exact * exact;
    }
    parts[THREAD] = changed;
    parts[ALL_THREADS + THREAD] = energy;
}

__global__ void measure_rounding(
    Source result, Stored stored, Sums parts, float limit, float counts_per_stored, Offset size) {
    double energy = 0, difference = 0;
    FOR_VOXELS {
        const float counts = result[i] < limit ? result[i] : limit;
        const float error = counts - (float) stored[i] * counts_per_stored;
        energy += (double) counts * counts;
        difference += (double) error * error;
    }
    parts[THREAD] = energy;
    parts[ALL_THREADS + THREAD] = difference;
}

// Mean of 2, or 1, voxels along each axis, added in the order of `store.downsample`; of the last one with itself.
__global__ void coarsen(
    Stored fine, Target coarse, unsigned step_z, unsigned step_y, unsigned step_x, unsigned fine_z, unsigned fine_y,
    unsigned fine_x, float scale, unsigned rows, unsigned ny, unsigned nx) {
    const bool is_rounded = (StoredVoxel) 0.5f == 0;
    FOR_ROWS {
        const unsigned z = row / ny * step_z, y = row % ny * step_y;
        const Offset plane = (Offset) fine_y * fine_x;
        const Offset behind = z + 1 < fine_z ? plane : 0, below = y + 1 < fine_y ? fine_x : 0;
        const StoredVoxel* first = fine + z * plane + (Offset) y * fine_x;
        StoredVoxel* out = coarse + (Offset) row * nx;
        FOR_COLUMNS {
            float total = 0;
            for (unsigned column = x * step_x; column < (x + 1) * step_x; ++column) {
                const Offset place = column < fine_x ? column : fine_x - 1;
                float sum = first[place];
                if (step_z == 2) sum += first[behind + place];
                if (step_y == 2) {
                    float next = first[below + place];
                    if (step_z == 2) next += first[behind + below + place];
                    sum += next;
                }
                total = column == x * step_x ? sum : total + sum;
            }
            const float mean = total * scale;
            out[x] = (StoredVoxel) (is_rounded ? rintf(mean) : mean);
        }
    }
}

}
"""


def make_code(raw: str, stored: str) -> str:
    """Return the kernels' code for voxels of two dtypes."""
    word = "short" if stored == "uint16" else "int"
    return HEAD % (C_TYPES[raw], C_TYPES[stored], word) + CODE + MASK_CODE + QUALITY_CODE
