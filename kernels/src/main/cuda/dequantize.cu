// SPDX-License-Identifier: Apache-2.0
//
// 4-bit block formats back to numbers, double quantisation in the same pass: see Quantization.java for the contract.
//
// Traffic: half a byte an element in (and a scale, 1 or 4 bytes a block), 2 or 4 bytes out: writing is what takes the time.
// A warp turns 512 neighbouring bytes into 1024 elements: a lane four times 4 bytes into 8 elements (16 bytes of bf16), with
// all loads before the first use, and one scale that its neighbours ask it for. Levels lie in shared memory once for each lane,
// 16 × 32 words, so that no two lanes ever want the same bank.
#include "matrix.cuh"

struct Format {
    const uint8_t* packed;
    const void* absmax;          // uint8 codes with, f32 without double quantisation
    const float* nested_absmax;  // null without double quantisation
    const float* nested_offset;
    const float* tables;         // 256 values of the dynamic map, then the 16 levels
    int block_shift;             // log2 of the block size
    int by_row;                  // scales are counted by rows of cols >> block_shift blocks
};

namespace {

constexpr int THREADS = 256;
constexpr int UNROLL = 4;
constexpr int NESTED_SHIFT = 8;

struct Tables {
    float map[256];
    float levels[16 * 32];
};

__device__ __forceinline__ void fill(Tables& t, const float* tables) {
    for (int i = threadIdx.x; i < 256; i += THREADS) t.map[i] = tables[i];
    for (int i = threadIdx.x; i < 16 * 32; i += THREADS) t.levels[i] = tables[256 + i / 32];
    __syncthreads();
}

// Rounded after each step, as bitsandbytes does.
__device__ __forceinline__ float scale_of(const Format& f, const Tables& t, long long block, float offset) {
    if (f.nested_absmax == nullptr) return static_cast<const float*>(f.absmax)[block];
    float map = t.map[static_cast<const uint8_t*>(f.absmax)[block]];
    return __fadd_rn(__fmul_rn(map, f.nested_absmax[block >> NESTED_SHIFT]), offset);
}

// Element i of 8 is the high half of byte i / 2 if i is even. A code times 128 is where its row of levels begins.
__device__ __forceinline__ void expand(const Tables& t, uint32_t bytes, float scale, float (&x)[8]) {
    uint32_t lane = threadIdx.x % 32 * 4;
#pragma unroll
    for (int i = 0; i < 8; i++) {
        int shift = i / 2 * 8 + (i % 2 == 0 ? 4 : 0) - 7;
        uint32_t at = ((shift < 0 ? bytes << -shift : bytes >> shift) & 0x780u) | lane;
        x[i] = __fmul_rn(*reinterpret_cast<const float*>(reinterpret_cast<const char*>(t.levels) + at), scale);
    }
}

}  // namespace

// Scales in flat order, rows of a multiple of 8 elements; a matrix without gaps comes as one row. The grid fills the chip once,
// so that the tables are copied once a block.
extern "C" __global__ void __launch_bounds__(THREADS) dequantize_8(Format f, Matrix out, long long rows, long long cols) {
    __shared__ Tables t;
    constexpr int WARP_GROUPS = UNROLL * 32, WARP_SHIFT = 10;  // of 8 elements; log2 of its elements
    uint32_t groups = static_cast<uint32_t>(rows * cols / 8), row_groups = static_cast<uint32_t>(cols / 8);
    uint32_t lane = threadIdx.x % 32, warp = (blockIdx.x * THREADS + threadIdx.x) / 32;
    uint32_t stride = gridDim.x * (THREADS / 32) * WARP_GROUPS;
    long long blocks = (rows * cols + (1ll << f.block_shift) - 1) >> f.block_shift;
    uint32_t in_chunk = f.block_shift >= WARP_SHIFT ? 1u : 1u << (WARP_SHIFT - f.block_shift);
    auto read = [&](uint32_t first, uint32_t (&bytes)[UNROLL]) {
#pragma unroll
        for (int j = 0; j < UNROLL; j++) {
            uint32_t group = first + j * 32 + lane;
            if (group < groups) bytes[j] = reinterpret_cast<const uint32_t*>(f.packed)[group];
        }
    };
    uint32_t bytes[UNROLL];
    uint32_t first = warp * WARP_GROUPS;
    read(first, bytes);
    float offset = f.nested_absmax == nullptr ? 0.f : *f.nested_offset;
    fill(t, f.tables);
    while (first < groups) {
        // lane l knows the scale of the l-th block among these 1024 elements
        long long block = (static_cast<long long>(first) * 8 >> f.block_shift) + lane;
        float known = block < blocks && lane < in_chunk ? scale_of(f, t, block, offset) : 0.f;
        uint32_t next[UNROLL];
        read(first + stride, next);  // under way while these are turned and written
#pragma unroll
        for (int j = 0; j < UNROLL; j++) {
            uint32_t group = first + j * 32 + lane;
            float scale = __shfl_sync(~0u, known, (j * 32 + lane) * 8 >> f.block_shift);
            if (group >= groups) continue;
            float x[8];
            expand(t, bytes[j], scale, x);
            uint32_t row = rows == 1 ? 0 : group / row_groups;
            store<8>(out, row, static_cast<long long>(group - row * row_groups) * 8, x);
        }
#pragma unroll
        for (int j = 0; j < UNROLL; j++) bytes[j] = next[j];
        first += stride;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) dequantize_1(Format f, Matrix out, long long rows, long long cols) {
    __shared__ Tables t;
    fill(t, f.tables);
    float offset = f.nested_absmax == nullptr ? 0.f : *f.nested_offset;
    for_each<1>(rows, cols, [&](long long row, long long col) {
        long long element = row * cols + col;
        long long block = f.by_row ? row * (cols >> f.block_shift) + (col >> f.block_shift) : element >> f.block_shift;
        int code = f.packed[element >> 1] >> (element % 2 == 0 ? 4 : 0) & 15;
        float x[1] = {__fmul_rn(t.levels[code * 32 + threadIdx.x % 32], scale_of(f, t, block, offset))};
        store<1>(out, row, col, x);
    });
}
