"""The part of `gpu_code` that finds and marks what was never measured."""

MASK_CODE = """
__device__ bool is_fill(RawVoxel voxel, Parts values, unsigned number) {
    for (unsigned i = 0; i < number; ++i)
        if (voxel == values[i]) return true;
    return false;
}

__device__ unsigned widen(unsigned run, unsigned length, unsigned least, unsigned rim) {
    return run < least ? 0 : run + rim < length ? run + rim : length;
}

extern "C" {

// The runs of fill at the two ends of lines, a thread a line: of `least` voxels, and a rim of mixtures beside them.
__global__ void measure_runs(
    Raw raw, Parts values, unsigned number, Runs runs, unsigned length, Offset step, unsigned columns, Offset row_step,
    Offset column_step, unsigned least, unsigned rim, Offset size) {
    FOR_VOXELS {
        const Offset begin = i / columns * row_step + i % columns * column_step;
        unsigned low = 0, high = 0;
        while (low < length && is_fill(raw[begin + low * step], values, number)) ++low;
        while (high < length && is_fill(raw[begin + (length - 1 - high) * step], values, number)) ++high;
        runs[i] = widen(low, length, least, rim);
        runs[size + i] = widen(high, length, least, rim);
    }
}

// 1 where no run reaches, as `deconvolution.measured.Mask` has it, and how many those are.
__global__ void mark_measured(
    Places runs_z, Places runs_y, Places runs_x, Marks measured, Sums parts, int nz, int ny, int nx, Offset size) {
    double number = 0;
    FOR_VOXELS {
        const int x = i % nx, y = i / nx % ny, z = i / nx / ny;
        const Offset yx = (Offset) y * nx + x, zx = (Offset) z * nx + x, zy = (Offset) z * ny + y;
        const bool is_inside = runs_z[yx] <= z && runs_z[(Offset) ny * nx + yx] < nz - z && runs_y[zx] <= y &&
            runs_y[(Offset) nz * nx + zx] < ny - y && runs_x[zy] <= x && runs_x[(Offset) nz * ny + zy] < nx - x;
        measured[i] = is_inside;
        number += is_inside;
    }
    parts[THREAD] = number;
}

__global__ void erase(Voxels voxels, Flags measured, Offset size) {
    FOR_VOXELS if (!measured[i]) voxels[i] = 0;
}

}
"""
