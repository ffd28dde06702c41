// SPDX-License-Identifier: Apache-2.0
//
// 4-bit block formats back to numbers, double quantisation in the same pass: see Quantization.java for the contract.
//
// Traffic: half a byte an element in (and a scale, 1 or 4 bytes a block), 2 or 4 bytes out: writing is what takes the time.
// A warp turns 512 neighbouring bytes into 1024 elements: a lane four times 4 bytes into 8 elements (16 bytes of bf16), with
// all loads before the first use, one scale a block that its neighbours ask it for, and one level that all ask it for: a
// shuffle is as fast as shared memory here, and nothing has to be filled before the first element. What is read is not read
// again soon, so it leaves the cache first; what is written stays, for the product that follows. Matrices one under the other, as
// layers that share an input are, come together: a small one alone is half launching.
#include "matrix.cuh"

struct Format {
    const uint8_t* packed;
    const void* absmax;          // uint8 codes with, f32 without double quantisation
    const float* nested_absmax;  // null without double quantisation
    const float* nested_offset;
    const float* tables;         // 256 values of the dynamic map, then the 16 levels
    int block_shift;             // log2 of the block size
};

namespace {

constexpr int THREADS = 256;
constexpr int LOG2_UNROLL = 2, UNROLL = 1 << LOG2_UNROLL;
constexpr int NESTED_SHIFT = 8;

// Rounded after each step, as bitsandbytes does.
__device__ __forceinline__ float scale_of(const Format& f, long long block, float offset) {
    if (f.nested_absmax == nullptr) return static_cast<const float*>(f.absmax)[block];
    float map = f.tables[static_cast<const uint8_t*>(f.absmax)[block]];
    return __fadd_rn(__fmul_rn(map, f.nested_absmax[block >> NESTED_SHIFT]), offset);
}

// Element i of 8 is the high half of byte i / 2 if i is even. Lanes l and l + 16 hold the level of code l, so it doesn't
// matter which bit stands above a code.
__device__ __forceinline__ void expand(uint32_t bytes, float level, float scale, float (&x)[8]) {
#pragma unroll
    for (int i = 0; i < 8; i++) {
        x[i] = __fmul_rn(__shfl_sync(~0u, level, bytes >> (i / 2 * 8 + (i % 2 == 0 ? 4 : 0))), scale);
    }
}

}  // namespace

constexpr int PARTS = 3;

struct Part {
    Format format;
    Matrix out;
    long long rows, cols;
};

struct Parts {
    Part part[PARTS];
    unsigned first[PARTS];  // each one's first block; of those that are not there, beyond the last
};

// Rows of a multiple of 8 elements; a matrix without gaps comes as one row.
extern "C" __global__ void __launch_bounds__(THREADS) dequantize_8(const __grid_constant__ Parts p) {
    int part = blockIdx.x >= p.first[2] ? 2 : blockIdx.x >= p.first[1] ? 1 : 0;
    const Format& f = p.part[part].format;
    const Matrix& out = p.part[part].out;
    long long rows = p.part[part].rows, cols = p.part[part].cols;
    constexpr int WARP_GROUPS = UNROLL * 32, WARP_SHIFT = LOG2_UNROLL + 8;  // of 8 elements; log2 of its elements
    uint32_t groups = static_cast<uint32_t>(rows * cols / 8), row_groups = static_cast<uint32_t>(cols / 8);
    uint32_t lane = threadIdx.x % 32;
    uint32_t first = ((blockIdx.x - p.first[part]) * THREADS + threadIdx.x) / 32 * WARP_GROUPS;
    if (first >= groups) return;
    uint32_t bytes[UNROLL] = {};
#pragma unroll
    for (int j = 0; j < UNROLL; j++) {
        uint32_t group = first + j * 32 + lane;
        if (group < groups) bytes[j] = __ldcs(reinterpret_cast<const uint32_t*>(f.packed) + group);
    }
    float level = f.tables[256 + lane % 16];
    float offset = f.nested_absmax == nullptr ? 0.f : *f.nested_offset;
    // lane l knows the scale of the l-th block among these elements
    uint32_t in_chunk = f.block_shift >= WARP_SHIFT ? 1u : 1u << (WARP_SHIFT - f.block_shift);
    long long blocks = (rows * cols + (1ll << f.block_shift) - 1) >> f.block_shift;
    long long block = (static_cast<long long>(first) * 8 >> f.block_shift) + lane;
    float known = block < blocks && lane < in_chunk ? scale_of(f, block, offset) : 0.f;
    uint32_t first_row = rows == 1 ? 0 : first / row_groups;
#pragma unroll
    for (int j = 0; j < UNROLL; j++) {
        float x[8];
        expand(bytes[j], level, __shfl_sync(~0u, known, (j * 32 + lane) * 8 >> f.block_shift), x);
        uint32_t group = first + j * 32 + lane;
        uint32_t row = first_row, in_row = group - first_row * row_groups;
        if (in_row >= row_groups) {
            row += in_row / row_groups;
            in_row %= row_groups;
        }
        if (group < groups) store<8>(out, row, static_cast<long long>(in_row) * 8, x);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) dequantize_1(Format f, Matrix out, long long rows, long long cols) {
    float offset = f.nested_absmax == nullptr ? 0.f : *f.nested_offset;
    for_each<1>(rows, cols, [&](long long row, long long col) {
        long long element = row * cols + col;
        int code = f.packed[element >> 1] >> (element % 2 == 0 ? 4 : 0) & 15;
        float x[1] = {__fmul_rn(f.tables[256 + code], scale_of(f, element >> f.block_shift, offset))};
        store<1>(out, row, col, x);
    });
}
