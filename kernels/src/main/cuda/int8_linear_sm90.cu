// SPDX-License-Identifier: Apache-2.0
//
// LLM.int8's products for Hopper: see int8_linear.cu, whose results these are, bit for bit where no column has outliers.
//
// 2·M·N·K operations of wgmma on 8-bit integers, by the loop of matmul_sm90.cu: 128 codes of a row are the 128 bytes that are 64
// elements there, so the copy engine, which is told that two codes are an element, and the descriptors of tiles don't know the
// difference. Both operands' rows lie along K, as wgmma wants integers. Sums are exact in 32 bits up to K of 133,152.
//
// Outliers are more of the same sums once those have been scaled: CHUNK columns at a time are gathered into the memory that c's boxes
// leave through, x as it is and the weight dequantised, and multiplied in 16 bits.
#include "int8_numbers.cuh"
#include "matmul_sm90.cuh"
#include "matrix.cuh"

namespace {

constexpr int CHUNK = 16;  // columns of outliers at a time, which is wgmma's depth
constexpr int PIECE = 128;  // bytes of eight rows of eight

struct Outliers {
    Matrix x;
    const int8_t* codes;  // of the weight
    long long stride;
    const int* columns;  // how many, then which
    const float *absmax, *scales;
    int rows, cols;  // of y
};

// Sums of codes become what they stand for; see wgmma for where a thread's are.
template <int N>
__device__ __forceinline__ void scale_sums(const int* sum, float (&y)[N], const Outliers& o, int row, int col) {
    float of_row[2];
#pragma unroll
    for (int r = 0; r < 2; r++) of_row[r] = row + 8 * r < o.rows ? o.absmax[row + 8 * r] : 0.f;
#pragma unroll
    for (int j = 0; j < N / 4; j++) {
#pragma unroll
        for (int c = 0; c < 2; c++) {
            float of_col = col + 8 * j + c < o.cols ? __ldg(o.scales + col + 8 * j + c) : 0.f;
#pragma unroll
            for (int r = 0; r < 2; r++) {
                int i = 4 * j + 2 * r + c;
                y[i] = __fmul_rn(__fmul_rn(static_cast<float>(sum[i]), __fmul_rn(of_row[r], of_col)), PRODUCT);
            }
        }
    }
}

// Half a row of a chunk, eight columns of outliers from `from` on, of `element(column)`; zeros past the last.
template <class Element>
__device__ __forceinline__ void gather(uint8_t* target, const Outliers& o, int from, int count, bool there, Element element) {
    uint32_t pairs[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        float v[2];
#pragma unroll
        for (int e = 0; e < 2; e++) {
            int at = from + 2 * i + e;
            v[e] = there && at < count ? element(__ldg(o.columns + 1 + at)) : 0.f;
        }
        pairs[i] = pack_narrow(v[0], v[1]);
    }
    *reinterpret_cast<uint4*>(target) = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}

// y += x · Wᵀ over the columns of outliers; a warpgroup's 64 rows from `row` on, 2 · N columns from `col` on.
template <int N>
__device__ __forceinline__ void add_outliers(float (&y)[N], const Outliers& o, uint8_t* memory, int consumer, int row, int col, int count) {
    uint8_t *x_part = memory, *w_part = memory + 2 * 64 / 8 * PIECE;
    int thread = threadIdx.x % 128;
    if (thread == 0) store_wait_read<0>();  // boxes that left before
    for (int from = 0; from < count; from += CHUNK) {
        named_barrier(1 + consumer, 128);
        // pieces of eight rows, both halves of a chunk side by side
        int half = thread / 64 * 8, at = row + thread % 64;
        gather(x_part + (thread % 64 / 8 * 2 + half / 8) * PIECE + thread % 8 * 16, o, from + half, count, at < o.rows, [&](int outlier) {
            float value[1];
            load<1>(o.x, at, outlier, value);
            return value[0];
        });
#pragma unroll 1
        for (int i = thread; i < 4 * N; i += 128) {
            int out = col + i / 2, right = i % 2;
            bool there = out < o.cols;
            float scale = there ? o.scales[out] : 0.f;
            gather(w_part + (i / 16 * 2 + right) * PIECE + i / 2 % 8 * 16, o, from + 8 * right, count, there, [&](int outlier) {
                return dequantized(o.codes[out * o.stride + outlier], scale, true);
            });
        }
        async_proxy_fence();
        named_barrier(1 + consumer, 128);
        wgmma_fence();
        wgmma(y, describe_pieces(x_part, PIECE, 2 * PIECE), describe_pieces(w_part, PIECE, 2 * PIECE));
        wgmma_commit();
        wgmma_wait<0>();
        settle(y);
    }
    named_barrier(1 + consumer, 128);
}

// What becomes of half a tile of sums. Of a wide tile one half of the columns after the other: both would not fit the registers.
template <class S>
__device__ __forceinline__ void finish(Shared<S>& s, const CUtensorMap* y, const Outliers& o, int count, int consumer,
                                       const int (&sum)[S::BN / 2], int row, int col) {
    constexpr int COLS = S::BN == 256 ? 128 : S::BN;
    int thread = threadIdx.x % 128, first = row + consumer * 64;
#pragma unroll
    for (int part = 0; part < S::BN / COLS; part++) {
        float scaled[COLS / 2];
        int left = col + part * COLS;
        scale_sums(sum + part * COLS / 2, scaled, o, first + thread / 32 * 16 + thread % 32 / 4, left + thread % 4 * 2);
        if (count > 0) add_outliers(scaled, o, reinterpret_cast<uint8_t*>(s.c[consumer]), consumer, first, left, count);
#pragma unroll
        for (int box = 0; box < COLS / BOX; box++) store_columns(s, y, consumer, box, scaled + box * BOX / 2, row, left);
    }
}

}  // namespace

#define INT8_LINEAR(NAME, BN)                                                                                         \
    extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(THREADS, 1)                                \
        NAME(const __grid_constant__ CUtensorMap input, const __grid_constant__ CUtensorMap weight,                   \
             const __grid_constant__ CUtensorMap y, const __grid_constant__ Outliers o, int k) {                      \
        using S = Shape<int, BN, false, 2>;                                                                           \
        Shared<S>& s = shared_memory<S>();                                                                            \
        int count = o.columns[0];                                                                                     \
        product(s, Maps{&input, &weight, nullptr, {}}, Blocks{}, o.rows, o.cols, (k + 1) / 2,                         \
                [&](int consumer, const int(&sum)[BN / 2], int row, int col) {                                        \
                    finish(s, &y, o, count, consumer, sum, row, col);                                                 \
                });                                                                                                   \
    }

INT8_LINEAR(int8_linear_128_sm90, 128)
INT8_LINEAR(int8_linear_192_sm90, 192)
INT8_LINEAR(int8_linear_256_sm90, 256)
