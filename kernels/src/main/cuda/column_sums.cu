// SPDX-License-Identifier: Apache-2.0
//
// Sums of columns, of one matrix or of the elementwise product of two: the gradients of biases and of magnitudes.
//
// Traffic: every matrix once. Sums are in f32 and have a fixed order: every fourth row of a piece in a thread, the four, then the
// pieces in order.
#include "matrix.cuh"

namespace {

constexpr int THREADS = 256;
constexpr int TILE_COLS = 64;
constexpr int LANES = THREADS / TILE_COLS;

}  // namespace

// Block (x, y) adds up 64 columns of piece y, which has `piece` rows. Without data b is all ones.
extern "C" __global__ void __launch_bounds__(THREADS) column_sums_partial(
    Matrix a, Matrix b, long long rows, long long cols, long long piece, float* sums) {
    __shared__ float lanes[LANES][TILE_COLS];
    int lane = threadIdx.x / TILE_COLS, at = threadIdx.x % TILE_COLS;
    long long col = static_cast<long long>(blockIdx.x) * TILE_COLS + at;
    long long first = static_cast<long long>(blockIdx.y) * piece;
    long long end = first + piece < rows ? first + piece : rows;
    float sum = 0.f;
    if (col < cols) {
        for (long long row = first + lane; row < end; row += LANES) {
            float x[1], y[1] = {1.f};
            load<1>(a, row, col, x);
            if (b.data != nullptr) load<1>(b, row, col, y);
            sum = fmaf(x[0], y[0], sum);
        }
    }
    lanes[lane][at] = sum;
    __syncthreads();
    if (lane == 0 && col < cols) {
        for (int i = 1; i < LANES; i++) sum += lanes[i][at];
        sums[blockIdx.y * cols + col] = sum;
    }
}

extern "C" __global__ void column_sums_total(const float* sums, long long pieces, long long cols, const float* divisor, float* out) {
    long long col = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (col >= cols) return;
    float sum = 0.f;
    for (long long i = 0; i < pieces; i++) sum += sums[i * cols + col];
    out[col] += divisor == nullptr ? sum : __fdiv_rn(sum, divisor[col]);
}
