"""The part of `gpu_code` that compares a result with its image."""

QUALITY_CODE = """
extern "C" {

// The light squared of regions, a block of threads each; a thread sums a column of places along x.
__global__ void sum_squares(
    Raw raw, Flags measured, int is_masked, Sums parts, Places starts, unsigned region_z, unsigned region_y,
    unsigned raw_y, unsigned raw_x, unsigned nx) {
    const int* start = starts + 3 * blockIdx.x;
    FOR_COLUMNS {
        double total = 0;
        for (unsigned z = 0; z < region_z; ++z)
            for (unsigned y = 0; y < region_y; ++y) {
                const Offset i = ((Offset) (start[0] + z) * raw_y + start[1] + y) * raw_x + start[2] + x;
                const float light = (float) raw[i];
                if (!is_masked || measured[i]) total += light * light;
            }
        parts[blockIdx.x * nx + x] = total;
    }
}

// Voxels at some places along each axis, in the low corner of an array whose rest is 0.
__global__ void gather(
    Stored stored, Places place_z, Places place_y, Places place_x, Voxels blurred, unsigned part_z, unsigned part_y,
    unsigned part_x, unsigned stored_y, unsigned stored_x, unsigned rows, unsigned ny, unsigned nx, unsigned pitch) {
    FOR_ROWS {
        const unsigned z = row / ny, y = row % ny;
        const bool is_inside = z < part_z && y < part_y;
        const Offset begin = is_inside ? ((Offset) place_z[z] * stored_y + place_y[y]) * stored_x : 0;
        float* voxels = blurred + (Offset) row * pitch;
        FOR_COLUMNS voxels[x] = is_inside && x < part_x ? (float) stored[begin + place_x[x]] : 0;
    }
}

// Of a region of the image, and of it blurred again: a block of threads a plane, a thread a column of places along x.
__global__ void compare(
    Source blurred, Raw raw, Flags measured, int is_masked, Sums parts, float background, unsigned start_z,
    unsigned start_y, unsigned start_x, unsigned low_z, unsigned low_y, unsigned low_x, unsigned region_y,
    unsigned raw_y, unsigned raw_x, unsigned blurred_y, unsigned pitch, unsigned nx) {
    const unsigned z = blockIdx.x;
    FOR_COLUMNS {
        double energy = 0, difference = 0, light = 0;
        for (unsigned y = 0; y < region_y; ++y) {
            const Offset i = ((Offset) (start_z + z) * raw_y + start_y + y) * raw_x + start_x + x;
            if (is_masked && !measured[i]) continue;
            const float counts = (float) raw[i] - background, image = counts < 0 ? 0 : counts;
            const float error = blurred[((Offset) (low_z + z) * blurred_y + low_y + y) * pitch + low_x + x] - image;
            energy += (double) image * image;
            difference += (double) error * error;
            light += image;
        }
        const unsigned place = z * nx + x, number = gridDim.x * nx;
        parts[place] = energy;
        parts[number + place] = difference;
        parts[2 * number + place] = light;
    }
}

}
"""
