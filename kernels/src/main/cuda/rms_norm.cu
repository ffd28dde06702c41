// SPDX-License-Identifier: Apache-2.0
//
// Root-mean-square normalisation, forward and backward: see RmsNorm.java for the contract.
//
// Traffic: forward x and y once, and what is added and the sum; backward dy, x, addTo, dx and, where it is made again, y once; the weight comes from L2. A block takes one row and keeps
// it in registers between the sum and the result, 16 elements a thread; what a row of more than 8192 has beyond is read again.
// Sums are in f32: a thread's own elements, then the threads in a fixed tree.
#include "matrix.cuh"

namespace {

constexpr int KEPT = 2;  // vectors of V elements in registers

// V elements as they come from memory. PACKED: 8 of 16 bits as they lie, in half of the registers; and since nothing is done to them
// until they are unpacked, several are on their way at once.
template <int V, bool PACKED>
struct Held {
    float values[V];
    __device__ __forceinline__ void fetch(const Matrix& m, long long row, int col) { load<V>(m, row, col, values); }
    __device__ __forceinline__ void unpack(float (&x)[V]) const {
#pragma unroll
        for (int i = 0; i < V; i++) x[i] = values[i];
    }
};

template <>
struct Held<8, true> {
    uint4 raw;
    __device__ __forceinline__ void fetch(const Matrix& m, long long row, int col) {
        raw = *reinterpret_cast<const uint4*>(static_cast<const narrow*>(m.data) + m.at(row, col));
    }
    __device__ __forceinline__ void unpack(float (&x)[8]) const {
        const uint32_t pairs[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            x[2 * i] = low_narrow(pairs[i]);
            x[2 * i + 1] = high_narrow(pairs[i]);
        }
    }
};

struct Forward {
    Matrix x, add_to, sum, weight, y;
    float* rstd;
    int n;
    float offset, eps;
};

// A piece of a row: all is fetched before any of the sum is written, which may lie where the rest comes from.
template <int V, bool PACKED>
struct Input {
    Held<V, PACKED> x, more;

    __device__ __forceinline__ void fetch(const Forward& p, long long row, int col) {
        x.fetch(p.x, row, col);
        if (p.add_to.data != nullptr) more.fetch(p.add_to, row, col);
    }

    // The elements; the sum, if there is one, is written, and rounded as it lies there.
    __device__ __forceinline__ void take(const Forward& p, long long row, int col, float (&v)[V]) const {
        x.unpack(v);
        if (p.add_to.data == nullptr) return;
        float add[V];
        more.unpack(add);
#pragma unroll
        for (int i = 0; i < V; i++) v[i] += add[i];
        store<V>(p.sum, row, col, v);
        if (p.sum.type == NARROW) {
#pragma unroll
            for (int i = 0; i < V; i++) v[i] = widen_narrow(round_narrow(v[i]));
        }
    }
};

template <int V>
__device__ __forceinline__ float square(const float (&v)[V]) {
    float sum = 0.f;
#pragma unroll
    for (int i = 0; i < V; i++) sum += v[i] * v[i];
    return sum;
}

template <int V, bool PACKED>
__device__ __forceinline__ void forward(const Forward& p) {
    __shared__ float scratch[32];
    long long row = blockIdx.x;
    int first = threadIdx.x * V, step = blockDim.x * V;
    Input<V, PACKED> input[KEPT];
    float kept[KEPT][V];
    float sum = 0.f;
#pragma unroll
    for (int j = 0; j < KEPT; j++) {
        if (first + j * step < p.n) input[j].fetch(p, row, first + j * step);
    }
#pragma unroll
    for (int j = 0; j < KEPT; j++) {
        if (first + j * step >= p.n) continue;
        input[j].take(p, row, first + j * step, kept[j]);
        sum += square<V>(kept[j]);
    }
    for (int col = first + KEPT * step; col < p.n; col += step) {
        Input<V, PACKED> piece;
        float v[V];
        piece.fetch(p, row, col);
        piece.take(p, row, col, v);
        sum += square<V>(v);
    }
    sum = reduce_block<Sum>(sum, scratch);
    float r = 1.f / sqrtf(sum / p.n + p.eps);
    if (threadIdx.x == 0) p.rstd[row] = r;
    auto write = [&](int col, float (&v)[V]) {
        float w[V];
        load<V>(p.weight, 0, col, w);
#pragma unroll
        for (int i = 0; i < V; i++) v[i] = v[i] * r * (w[i] + p.offset);
        store<V>(p.y, row, col, v);
    };
#pragma unroll
    for (int j = 0; j < KEPT; j++) {
        if (first + j * step < p.n) write(first + j * step, kept[j]);
    }
    for (int col = first + KEPT * step; col < p.n; col += step) {
        float v[V];
        if (p.add_to.data == nullptr) {
            load<V>(p.x, row, col, v);
        } else {
            load<V>(p.sum, row, col, v);
        }
        write(col, v);
    }
}

struct Backward {
    Matrix dy, x, weight, add_to, dx, y;
    const float* rstd;
    int n;
    float offset;
};

template <int V, bool PACKED>
struct Piece {
    Held<V, PACKED> dy, x, more;

    __device__ __forceinline__ void fetch(const Backward& p, long long row, int col) {
        dy.fetch(p.dy, row, col);
        x.fetch(p.x, row, col);
        if (p.add_to.data != nullptr) more.fetch(p.add_to, row, col);
    }

    // g = dy · (weight + offset), x and the gains; the weight comes from L1 after its first row
    __device__ __forceinline__ void unpack(const Backward& p, int col, float (&g)[V], float (&v)[V], float (&gain)[V]) const {
        dy.unpack(g);
        x.unpack(v);
        load<V>(p.weight, 0, col, gain);
#pragma unroll
        for (int i = 0; i < V; i++) {
            gain[i] += p.offset;
            g[i] *= gain[i];
        }
    }

    __device__ __forceinline__ float product(const Backward& p, int col) const {
        float g[V], v[V], gain[V], sum = 0.f;
        unpack(p, col, g, v, gain);
#pragma unroll
        for (int i = 0; i < V; i++) sum += g[i] * v[i];
        return sum;
    }

    __device__ __forceinline__ void write(const Backward& p, long long row, int col, float r, float factor) const {
        float g[V], v[V], gain[V], add[V];
        unpack(p, col, g, v, gain);
        if (p.add_to.data != nullptr) more.unpack(add);
#pragma unroll
        for (int i = 0; i < V; i++) {
            g[i] = r * (g[i] - v[i] * factor);
            if (p.add_to.data != nullptr) g[i] += add[i];
            v[i] = v[i] * r * gain[i];
        }
        store<V>(p.dx, row, col, g);
        if (p.y.data != nullptr) store<V>(p.y, row, col, v);
    }
};

template <int V, bool PACKED>
__device__ __forceinline__ void backward(const Backward& p) {
    __shared__ float scratch[32];
    long long row = blockIdx.x;
    int first = threadIdx.x * V, step = blockDim.x * V;
    Piece<V, PACKED> kept[KEPT];
    float sum = 0.f;
#pragma unroll
    for (int j = 0; j < KEPT; j++) {
        if (first + j * step < p.n) kept[j].fetch(p, row, first + j * step);
    }
#pragma unroll
    for (int j = 0; j < KEPT; j++) {
        if (first + j * step < p.n) sum += kept[j].product(p, first + j * step);
    }
    for (int col = first + KEPT * step; col < p.n; col += step) {
        Piece<V, PACKED> piece;
        piece.fetch(p, row, col);
        sum += piece.product(p, col);
    }
    sum = reduce_block<Sum>(sum, scratch);
    float r = p.rstd[row];
    float factor = r * r * (sum / p.n);
#pragma unroll
    for (int j = 0; j < KEPT; j++) {
        if (first + j * step < p.n) kept[j].write(p, row, first + j * step, r, factor);
    }
    for (int col = first + KEPT * step; col < p.n; col += step) {
        Piece<V, PACKED> piece;
        piece.fetch(p, row, col);
        piece.write(p, row, col, r, factor);
    }
}

}  // namespace

#define FORWARD(NAME, V, PACKED)                                                                                                  \
    extern "C" __global__ void __launch_bounds__(512)                                                                       \
        rms_norm_forward_##NAME(Matrix x, Matrix add_to, Matrix sum, Matrix weight, Matrix y, float* rstd, int n,              \
                             float offset, float eps) {                                                                     \
        forward<V, PACKED>(Forward{x, add_to, sum, weight, y, rstd, n, offset, eps});                                               \
    }

#define BACKWARD(NAME, V, PACKED)                                                                                           \
    extern "C" __global__ void __launch_bounds__(512) rms_norm_backward_##NAME(                                             \
        Matrix dy, Matrix x, Matrix weight, const float* rstd, Matrix add_to, Matrix dx, Matrix y, int n, float offset) {   \
        backward<V, PACKED>(Backward{dy, x, weight, add_to, dx, y, rstd, n, offset});                                       \
    }

FORWARD(8, 8, false)
FORWARD(1, 1, false)
FORWARD(packed, 8, true)
BACKWARD(8, 8, false)
BACKWARD(1, 1, false)
BACKWARD(packed, 8, true)
