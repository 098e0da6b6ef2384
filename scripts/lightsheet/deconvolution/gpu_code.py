"""What engine `gpu` does to voxels between two FFTs, in CUDA's language.

A block of threads does one row of the cyclic array, along x, then one `gridDim.x` further. So offsets take one 64-bit
product a row, and no division by voxel; arrays may be of any size. Rows of `blurred`, in which FFTs work in place,
begin `pitch` voxels after each other, those of all other arrays `nx`. Comparisons let NaN pass, as NumPy's do: `max` of
CUDA's language drops it, and a volume that has overflowed would be black.
"""

CODE = """
#define FOR_ROWS for (unsigned row = blockIdx.x; row < rows; row += gridDim.x)
#define FOR_COLUMNS for (unsigned x = threadIdx.x; x < nx; x += blockDim.x)
typedef unsigned long long Offset;
typedef float2* __restrict__ Spectrum;
typedef const float2* __restrict__ Otf;
typedef float* __restrict__ Voxels;
typedef const float* __restrict__ Source;
typedef const int* __restrict__ Places;
typedef double* __restrict__ Sums;
typedef const double* __restrict__ Parts;

struct Weights {
    const float* row;
    const int* columns;
    __device__ float at(unsigned x) const { return row[columns[x]]; }
};

__device__ Weights find_weights(
    const float* table, const int* index_z, const int* index_y, const int* index_x, unsigned table_y, unsigned table_x,
    unsigned row, unsigned ny) {
    const unsigned z = row / ny, y = row - z * ny;
    Weights weights;
    weights.row = table + ((Offset) index_z[z] * table_y + index_y[y]) * table_x;
    weights.columns = index_x;
    return weights;
}

// The row of the image that counts at a row of the cyclic array; 0 where none does.
__device__ const float* find_row(
    const float* image, const int* place_z, const int* place_y, unsigned image_y, unsigned image_x,
    unsigned row, unsigned ny) {
    const unsigned z = row / ny, y = row - z * ny;
    const bool is_outside = place_z[z] < 0 || place_y[y] < 0;
    return is_outside ? 0 : image + ((Offset) place_z[z] * image_y + place_y[y]) * image_x;
}

__device__ float correct_voxel(float correction, float weight, float prediction, int clips) {
    const float factor = weight * correction;
    return prediction * (clips && factor < 0 ? 0 : factor);
}

__device__ float extrapolate_voxel(float now, float before, float more, float less, float tiny) {
    return now * ((more * now + less * before) / (less * now + more * before + tiny));
}

extern "C" {

__global__ void multiply(Spectrum spectrum, Otf otf, Offset size) {
    for (Offset i = (Offset) blockIdx.x * blockDim.x + threadIdx.x; i < size; i += (Offset) gridDim.x * blockDim.x) {
        const float2 a = spectrum[i], b = otf[i];
        float2 product;
        product.x = a.x * b.x - a.y * b.y;
        product.y = a.x * b.y + a.y * b.x;
        spectrum[i] = product;
    }
}

__global__ void multiply_by_conjugate(Spectrum spectrum, Otf otf, Offset size) {
    for (Offset i = (Offset) blockIdx.x * blockDim.x + threadIdx.x; i < size; i += (Offset) gridDim.x * blockDim.x) {
        const float2 a = spectrum[i], b = otf[i];
        float2 product;
        product.x = a.x * b.x + a.y * b.y;
        product.y = a.y * b.x - a.x * b.y;
        spectrum[i] = product;
    }
}

__global__ void place(
    Voxels target, Source image, Places place_z, Places place_y, Places place_x, unsigned image_y, unsigned image_x,
    unsigned rows, unsigned ny, unsigned nx) {
    FOR_ROWS {
        const float* source = find_row(image, place_z, place_y, image_y, image_x, row, ny);
        float* voxels = target + (Offset) row * nx;
        FOR_COLUMNS voxels[x] = source && place_x[x] >= 0 ? source[place_x[x]] : 0;
    }
}

__global__ void divide(
    Voxels blurred, Source image, Places place_z, Places place_y, Places place_x, unsigned image_y, unsigned image_x,
    float threshold, unsigned rows, unsigned ny, unsigned nx, unsigned pitch) {
    FOR_ROWS {
        const float* source = find_row(image, place_z, place_y, image_y, image_x, row, ny);
        float* voxels = blurred + (Offset) row * pitch;
        FOR_COLUMNS {
            const bool is_zero = !source || place_x[x] < 0 || voxels[x] < threshold;
            voxels[x] = is_zero ? 0 : source[place_x[x]] / voxels[x];
        }
    }
}

__global__ void correct(
    Voxels blurred, Voxels prediction, Source table, Places index_z, Places index_y, Places index_x, unsigned table_y,
    unsigned table_x, int clips, unsigned rows, unsigned ny, unsigned nx, unsigned pitch) {
    FOR_ROWS {
        const Weights weights = find_weights(table, index_z, index_y, index_x, table_y, table_x, row, ny);
        float* voxels = blurred + (Offset) row * pitch;
        float* predicted = prediction + (Offset) row * nx;
        FOR_COLUMNS voxels[x] = predicted[x] = correct_voxel(voxels[x], weights.at(x), predicted[x], clips);
    }
}

__global__ void correct_and_extrapolate(
    Voxels blurred, Voxels prediction, Voxels previous, Source table, Places index_z, Places index_y, Places index_x,
    unsigned table_y, unsigned table_x, float more, float less, float tiny, unsigned rows, unsigned ny, unsigned nx,
    unsigned pitch) {
    FOR_ROWS {
        const Weights weights = find_weights(table, index_z, index_y, index_x, table_y, table_x, row, ny);
        float* voxels = blurred + (Offset) row * pitch;
        float* predicted = prediction + (Offset) row * nx;
        float* before = previous + (Offset) row * nx;
        FOR_COLUMNS {
            const float now = correct_voxel(voxels[x], weights.at(x), predicted[x], 1);
            voxels[x] = predicted[x] = extrapolate_voxel(now, before[x], more, less, tiny);
            before[x] = now;
        }
    }
}

__global__ void correct_and_compare(
    Voxels blurred, Source prediction, Voxels change, Sums parts, Source table, Places index_z, Places index_y,
    Places index_x, unsigned table_y, unsigned table_x, unsigned rows, unsigned ny, unsigned nx, unsigned pitch) {
    double product = 0, square = 0;
    FOR_ROWS {
        const Weights weights = find_weights(table, index_z, index_y, index_x, table_y, table_x, row, ny);
        float* voxels = blurred + (Offset) row * pitch;
        const float* predicted = prediction + (Offset) row * nx;
        float* changed = change + (Offset) row * nx;
        FOR_COLUMNS {
            const float now = correct_voxel(voxels[x], weights.at(x), predicted[x], 1);
            const float step = now - predicted[x];
            const double before = changed[x];
            product += before * step;
            square += before * before;
            voxels[x] = now;
            changed[x] = step;
        }
    }
    const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    parts[thread] = product;
    parts[gridDim.x * blockDim.x + thread] = square;
}

// Of each of two halves of the parts, a thread sums those that are as many threads from each other as there are.
__global__ void add_parts(Parts parts, Sums sums, unsigned half) {
    const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
    double product = 0, square = 0;
    for (unsigned i = thread; i < half; i += threads) {
        product += parts[i];
        square += parts[half + i];
    }
    sums[thread] = product;
    sums[threads + thread] = square;
}

__global__ void extrapolate(
    Voxels blurred, Voxels prediction, Voxels previous, float more, float less, float tiny, unsigned rows,
    unsigned nx, unsigned pitch) {
    FOR_ROWS {
        float* voxels = blurred + (Offset) row * pitch;
        float* predicted = prediction + (Offset) row * nx;
        float* before = previous + (Offset) row * nx;
        FOR_COLUMNS {
            const float now = voxels[x];
            voxels[x] = predicted[x] = extrapolate_voxel(now, before[x], more, less, tiny);
            before[x] = now;
        }
    }
}

}
"""
