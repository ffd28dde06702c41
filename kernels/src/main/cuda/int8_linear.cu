// SPDX-License-Identifier: Apache-2.0
//
// LLM.int8's linear layers, for sm_80 and up: see Int8Linear.java.
//
// Making the input's codes: a thread a column looks for outliers (threads that find some all write the same flag), one block makes
// the list of columns in ascending order, a block a row writes its codes. The input is read three times, mostly from L2.
//
// The product: 2·M·N·K operations of mma.sync on 8-bit integers, exact sums in 32 bits; traffic (M·K·⌈N/BN⌉ + N·K·⌈M/BM⌉) bytes from L2
// outwards. A ring of STAGES tiles hides memory. A tile of 64 codes a row is a bf16 tile of 32 elements a row, byte for byte, and so
// are the fragments that ldmatrix makes of it.
//
// Outliers are added at the end, some columns at a time through shared memory, in their order, by ordinary multiplications: they are
// a thousandth of the columns where a model has the threshold's kind, and their number is known to the device alone.
#include "int8_numbers.cuh"
#include "matrix.cuh"
#include "mma.cuh"

namespace {

using namespace mma;

constexpr int THREADS = 256;

// Of a row of x, rounded to f16.
__device__ __forceinline__ float half_at(const Matrix& x, long long row, long long col) {
    float value[1];
    load<1>(x, row, col, value);
    return __half2float(__float2half_rn(value[0]));
}

}  // namespace

// A thread a column, blocks in y some rows each. Flags were zeros.
extern "C" __global__ void __launch_bounds__(THREADS)
    int8_mark_outliers(Matrix x, long long rows, int cols, int rows_of_block, float threshold, int* flags) {
    int col = blockIdx.x * THREADS + threadIdx.x;
    if (col >= cols) return;
    long long from = static_cast<long long>(blockIdx.y) * rows_of_block;
    long long to = min(rows, from + rows_of_block);
    bool found = false;
    for (long long row = from; row < to; row++) found |= fabsf(half_at(x, row, col)) >= threshold;
    if (found) flags[col] = 1;
}

// One block of 1024: columns[0] is how many flags are set, then which ones.
extern "C" __global__ void __launch_bounds__(1024) int8_list_outliers(const int* flags, int cols, int* columns) {
    __shared__ int counts[32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int before = 0;
    for (int from = 0; from < cols; from += 1024) {
        int col = from + threadIdx.x;
        bool set = col < cols && flags[col] != 0;
        unsigned mask = __ballot_sync(~0u, set);
        if (lane == 0) counts[warp] = __popc(mask);
        __syncthreads();
        int at = before;
        for (int w = 0; w < warp; w++) at += counts[w];
        if (set) columns[1 + at + __popc(mask & ((1u << lane) - 1))] = col;
        for (int w = 0; w < 32; w++) before += counts[w];
        __syncthreads();
    }
    if (threadIdx.x == 0) columns[0] = before;
}

// A block a row. A threshold of 0 finds no outliers.
extern "C" __global__ void __launch_bounds__(THREADS)
    int8_quantize_input(Matrix x, int cols, float threshold, const int* flags, int8_t* codes, long long stride, float* absmax) {
    __shared__ uint32_t scratch[32];
    long long row = blockIdx.x;
    // magnitudes as integers are in the same order, and not-a-numbers above them all
    uint32_t largest = 0;
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        float magnitude = fabsf(half_at(x, row, col));
        if (threshold == 0.f || !(magnitude >= threshold)) largest = max(largest, __float_as_uint(magnitude));
    }
    largest = reduce_block<Max>(largest, scratch);
    float scale = largest == 0 ? 0.f : __fmul_rn(__frcp_rn(__uint_as_float(largest)), 127.f);
    for (int col = threadIdx.x; col < cols; col += THREADS) {
        int code = flags[col] != 0 ? 0 : __float2int_rn(__fmul_rn(half_at(x, row, col), scale));
        codes[row * stride + col] = static_cast<int8_t>(code);
    }
    if (threadIdx.x == 0) absmax[row] = __uint_as_float(largest);
}

namespace {

constexpr int BM = 128, BN = 128, BK = 64, STAGES = 3;
constexpr int WARPS_N = 4;
constexpr int WM = 64, WN = 32;            // of a warp: two beside each other along rows, four along columns
constexpr int FM = WM / 16, FN = WN / 8;   // fragments of a warp
constexpr int CHUNK = 32;                  // columns of outliers at a time
using Codes = Tile<BM, BK / 2>;            // as pairs of codes
constexpr int STAGE_BYTES = 2 * Codes::BYTES;
constexpr int SHARED_BYTES = STAGES * STAGE_BYTES;
static_assert(BM == BN && SHARED_BYTES <= 48 << 10 && CHUNK * (BM + BN) * 4 <= SHARED_BYTES);

struct Operand {
    const int8_t* codes;
    long long stride;
    int rows;
    int aligned;  // whether every row begins at a multiple of 16 bytes
};

// Rows first…, codes k… up to the end of rows; what lies outside becomes zero.
__device__ __forceinline__ void fetch(uint8_t* tile, const Operand& x, int first, int k, int end) {
#pragma unroll
    for (int i = threadIdx.x; i < BM * BK / 16; i += THREADS) {
        int r = i / (BK / 16), piece = i % (BK / 16);
        int row = first + r, col = k + piece * 16;
        uint8_t* target = tile + Codes::offset(r, piece * 8);
        bool inside = row < x.rows && col < end;
        const int8_t* source = x.codes + row * x.stride + col;
        if (!inside || (x.aligned && col + 16 <= end)) {
            copy_16(shared_address(target), inside ? source : x.codes, inside);
        } else {
            union {
                int8_t bytes[16];
                uint4 whole;
            } codes;
#pragma unroll
            for (int b = 0; b < 16; b++) codes.bytes[b] = col + b < end ? source[b] : 0;
            *reinterpret_cast<uint4*>(target) = codes.whole;
        }
    }
}

// d[16×8] += a[16×32] · b[32×8]
__device__ __forceinline__ void multiply(int (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ void multiply_stage(const uint8_t* stage, int warp_row, int warp_col, int (&sum)[FM][FN][4]) {
    uint32_t a_tile = shared_address(stage), b_tile = a_tile + Codes::BYTES;
    int lane = threadIdx.x % 32;
    int low = lane % 16, high = lane / 16 * 8;  // in pairs of codes, as the tile has them
    int inner = lane % 8 + lane / 16 * 8, outer = lane / 8 % 2 * 8;
#pragma unroll
    for (int k = 0; k < BK / 2; k += 16) {
        uint32_t a[FM][4], b[FN / 2][4];
#pragma unroll
        for (int i = 0; i < FM; i++) load_matrices(a[i], a_tile + Codes::offset(warp_row + i * 16 + low, k + high));
#pragma unroll
        for (int j = 0; j < FN / 2; j++) load_matrices(b[j], b_tile + Codes::offset(warp_col + j * 16 + inner, k + outer));
#pragma unroll
        for (int i = 0; i < FM; i++) {
#pragma unroll
            for (int j = 0; j < FN; j++) multiply(sum[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
        }
    }
}

}  // namespace

// y = codes · weightᵀ · scales + outliers; a block a tile of y, tiles of columns first.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    int8_linear(Operand input, Operand weight, int k, Matrix x, const int* columns, const float* absmax, const float* scales,
                Matrix y) {
    __shared__ __align__(128) uint8_t shared[SHARED_BYTES];
    int first_row = blockIdx.y * BM, first_col = blockIdx.x * BN;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int warp_row = warp / WARPS_N * WM, warp_col = warp % WARPS_N * WN;
    int sum[FM][FN][4] = {};

    auto fetch_stage = [&](int index) {
        uint8_t* stage = shared + index % STAGES * STAGE_BYTES;
        if (index * BK < k) {
            fetch(stage, input, first_row, index * BK, k);
            fetch(stage + Codes::BYTES, weight, first_col, index * BK, k);
        }
        commit();
    };
    for (int i = 0; i < STAGES - 1; i++) fetch_stage(i);
    for (int i = 0; i * BK < k; i++) {
        wait<STAGES - 2>();
        __syncthreads();
        fetch_stage(i + STAGES - 1);
        multiply_stage(shared + i % STAGES * STAGE_BYTES, warp_row, warp_col, sum);
    }
    wait<0>();
    __syncthreads();

    // of a fragment, elements 0 and 1 are neighbours in a row, 2 and 3 those eight rows below
    int row_of_lane = warp_row + lane / 4, col_of_lane = warp_col + lane % 4 * 2;
    float result[FM][FN][4];
#pragma unroll
    for (int i = 0; i < FM; i++) {
#pragma unroll
        for (int j = 0; j < FN; j++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                int row = first_row + row_of_lane + i * 16 + e / 2 * 8, col = first_col + col_of_lane + j * 8 + e % 2;
                float scale = row < input.rows && col < weight.rows ? __fmul_rn(absmax[row], scales[col]) : 0.f;
                result[i][j][e] = __fmul_rn(__fmul_rn(static_cast<float>(sum[i][j][e]), scale), PRODUCT);
            }
        }
    }

    float* x_part = reinterpret_cast<float*>(shared);  // [CHUNK][BM]
    float* w_part = x_part + CHUNK * BM;               // [CHUNK][BN]
    int count = columns[0];
    for (int from = 0; from < count; from += CHUNK) {
        for (int i = threadIdx.x; i < CHUNK * BM; i += THREADS) {
            int r = i % BM, c = from + i / BM;
            int row = first_row + r, out = first_col + r;
            int col = c < count ? columns[1 + c] : 0;
            float value[1] = {0.f};
            if (c < count && row < input.rows) load<1>(x, row, col, value);
            x_part[i] = value[0];
            bool there = c < count && out < weight.rows;
            w_part[i] = there ? dequantized(weight.codes[out * weight.stride + col], scales[out], x.type == NARROW) : 0.f;
        }
        __syncthreads();
        int some = min(CHUNK, count - from);
        for (int c = 0; c < some; c++) {
            const float* a = x_part + c * BM + row_of_lane;
            const float* b = w_part + c * BN + col_of_lane;
#pragma unroll
            for (int i = 0; i < FM; i++) {
#pragma unroll
                for (int j = 0; j < FN; j++) {
#pragma unroll
                    for (int e = 0; e < 4; e++) {
                        result[i][j][e] = fmaf(a[i * 16 + e / 2 * 8], b[j * 8 + e % 2], result[i][j][e]);
                    }
                }
            }
        }
        __syncthreads();
    }

#pragma unroll
    for (int i = 0; i < FM; i++) {
#pragma unroll
        for (int j = 0; j < FN; j++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                int row = first_row + row_of_lane + i * 16 + e / 2 * 8, col = first_col + col_of_lane + j * 8 + e % 2;
                float value[1] = {result[i][j][e]};
                if (row < input.rows && col < weight.rows) store<1>(y, row, col, value);
            }
        }
    }
}
