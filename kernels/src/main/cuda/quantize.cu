// SPDX-License-Identifier: Apache-2.0
//
// Weights to 4-bit block formats, bit for bit as bitsandbytes and the CPU backend make them: see Quantization.java.
//
// Traffic: the weight once in (2 or 4 bytes an element), half a byte out; 15 comparisons an element. Runs once, while a model
// is loaded. Double quantisation follows in three small kernels over the scales, of which there is one for 64 elements: their
// mean in PyTorch's order of summation (partial sums of groups, then the carry of its cascade), then their 8-bit codes.
#include "matrix.cuh"

struct Codebook {
    float middles[15];    // between neighbouring levels, ascending
    uint32_t codes[16];   // code of each rank
};

namespace {

constexpr float SMALLEST_SCALE = 1e-38f;  // what bitsandbytes takes for the largest magnitude of a block of zeros
constexpr float LARGEST = 3.402823466e38f;
constexpr int NESTED = 256;
constexpr int COLUMNS = 32;  // 4 rows of vectors of 8: what PyTorch sums side by side
constexpr int LEVELS = 4;

__device__ __forceinline__ uint32_t code_of(float x, const Codebook& book) {
    // of the ranks' codes the last one whose middle is below x
    uint32_t code = book.codes[0];
#pragma unroll
    for (int i = 0; i < 15; i++) code = x > book.middles[i] ? book.codes[i + 1] : code;
    return code;
}

}  // namespace

// A warp takes a block of the format. `bad` holds the first element that is not finite, all ones if there is none.
extern "C" __global__ void quantize_blocks(Matrix source, long long n, int block_size, Codebook book, uint8_t* packed, float* scales,
                                           unsigned long long* bad) {
    long long block = (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
    int lane = threadIdx.x % 32;
    long long start = block * block_size;
    if (start >= n) return;
    int count = static_cast<int>(min(static_cast<long long>(block_size), n - start));
    float max = 0.f;
    for (int i = lane; i < count; i += 32) {
        float x[1];
        load<1>(source, 0, start + i, x);
        if (!(fabsf(x[0]) <= LARGEST)) atomicMin(bad, static_cast<unsigned long long>(start + i));
        max = fmaxf(max, fabsf(x[0]));
    }
    for (int offset = 16; offset > 0; offset /= 2) max = fmaxf(max, __shfl_xor_sync(~0u, max, offset));
    bool whole = count == block_size;
    float divisor = fmaxf(max, SMALLEST_SCALE);
    float inverse = __fdiv_rn(1.f, divisor);
    if (lane == 0) scales[block] = whole ? max : divisor;
    for (int i = 2 * lane; i < count; i += 64) {
        uint32_t codes[2];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float x[1] = {0.f};
            if (i + half < count) {
                load<1>(source, 0, start + i + half, x);
                x[0] = whole ? __fmul_rn(x[0], inverse) : __fdiv_rn(x[0], divisor);
            }
            codes[half] = code_of(x[0], book);
        }
        packed[(start + i) / 2] = codes[0] << 4 | codes[1];
    }
}

// sums[group][column] = the sum of a group of `size` rows of 32 scales, each column in order. A thread a sum.
extern "C" __global__ void scale_group_sums(const float* scales, int groups, int size, float* sums) {
    int column = threadIdx.x % COLUMNS;
    int group = (blockIdx.x * blockDim.x + threadIdx.x) / COLUMNS;
    if (group >= groups) return;
    float sum = 0.f;
    for (int i = 0; i < size; i++) sum = __fadd_rn(sum, scales[(static_cast<long long>(group) * size + i) * COLUMNS + column]);
    sums[group * COLUMNS + column] = sum;
}

// One warp, a lane a column: the carry of the cascade over the groups, then the rest, the columns and the mean. Fewer than 8
// scales are summed in 4 columns of one.
extern "C" __global__ void scale_mean(const float* scales, int n, const float* sums, int groups, int power, float* mean) {
    __shared__ float lanes[COLUMNS];
    int width = n < 8 ? 1 : 8;
    int vectors = n / width, steps = vectors / 4, columns = 4 * width;
    int column = threadIdx.x;
    if (column < columns) {
        float level[LEVELS] = {};
        int size = 1 << power, mask = size - 1;
        for (int group = 0; group < groups; group++) {
            level[1] = __fadd_rn(level[1], sums[group * COLUMNS + column]);
            int done = (group + 1) * size;
            if ((done & mask << power) != 0) continue;
            level[2] = __fadd_rn(level[2], level[1]);
            level[1] = 0.f;
            if ((done & mask << 2 * power) != 0) continue;
            level[3] = __fadd_rn(level[3], level[2]);
            level[2] = 0.f;
        }
        for (int i = groups * size; i < steps; i++) level[0] = __fadd_rn(level[0], scales[i * columns + column]);
        for (int j = 1; j < LEVELS; j++) level[0] = __fadd_rn(level[0], level[j]);
        lanes[column] = level[0];
    }
    __syncwarp();
    if (column < width) {
        float sum = lanes[column];
        for (int v = steps * 4; v < vectors; v++) sum = __fadd_rn(sum, scales[v * width + column]);
        for (int row = 1; row < 4; row++) sum = __fadd_rn(sum, lanes[row * width + column]);
        lanes[column] = sum;
    }
    __syncwarp();
    if (column == 0) {
        float sum = 0.f;
        for (int i = vectors * width; i < n; i++) sum = __fadd_rn(sum, scales[i]);
        for (int i = 0; i < width; i++) sum = __fadd_rn(sum, lanes[i]);
        *mean = __fdiv_rn(sum, static_cast<float>(n));
    }
}

// A block a nested block of 256 scales. The normalised value is rounded to one of 65,536 bins; a bin's code is the number of
// middles of the dynamic map below the bin's value.
extern "C" __global__ void __launch_bounds__(NESTED) encode_scales(const float* scales, int n, const float* map, const float* mean,
                                                                   uint8_t* codes, float* nested_absmax) {
    __shared__ float scratch[32];
    __shared__ float middles[NESTED];
    int i = blockIdx.x * NESTED + threadIdx.x;
    if (threadIdx.x < NESTED - 1) middles[threadIdx.x] = __fmul_rn(0.5f, __fadd_rn(map[threadIdx.x], map[threadIdx.x + 1]));
    float centred = i < n ? __fsub_rn(scales[i], *mean) : 0.f;
    float max = reduce_block<Max>(fabsf(centred), scratch);
    __syncthreads();
    if (threadIdx.x == 0) nested_absmax[blockIdx.x] = max;
    if (i >= n) return;
    if (max == 0.f) {
        codes[i] = 0;
        return;
    }
    float normalised = fmaxf(-1.f, fminf(1.f, __fmul_rn(centred, __fdiv_rn(1.f, max))));
    int bin = static_cast<int>(__fadd_rn(__fmul_rn(__fmul_rn(__fadd_rn(normalised, 1.f), 0.5f), 65535.f), 0.5f));
    float value = __fadd_rn(-1.f, __fdiv_rn(2.f * bin, 65535.f));
    int low = 0, high = NESTED - 1;  // the first middle that is not below the value
    while (low < high) {
        int half = (low + high) / 2;
        if (middles[half] < value) {
            low = half + 1;
        } else {
            high = half;
        }
    }
    codes[i] = low;
}
