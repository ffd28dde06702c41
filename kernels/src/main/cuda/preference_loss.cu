// SPDX-License-Identifier: Apache-2.0
//
// Losses of pairs of sequences: see PreferenceLoss.java for the contract.
//
// Traffic: two floats a row in, one out; nothing beside the logits that they were made of. Sums in f64: of a sequence within
// its block, where each thread has every 256th row, then over the threads as reduce_block adds; of the pairs in their order, by a
// second kernel.
#include "matrix.cuh"

namespace {

constexpr int THREADS = 256;
constexpr int NUMBERS = 7;

__device__ __forceinline__ double sum_rows(const float* x, int from, int to, double* scratch) {
    double sum = 0;
    for (int i = from + threadIdx.x; i < to; i += THREADS) sum += x[i];
    return reduce_block<Sum>(sum, scratch);
}

// fmin drops what is no number, the exponential keeps it.
__device__ __forceinline__ double log_sigmoid(double x) {
    return fmin(x, 0.0) - log1p(exp(-fabs(x)));
}

__device__ __forceinline__ double sigmoid(double x) {
    double small = exp(-fabs(x));
    return (x < 0 ? small : 1.0) / (1.0 + small);
}

}  // namespace

extern "C" __global__ void __launch_bounds__(THREADS) dpo(const float* policy, const float* reference, const int* starts, double beta,
                                                          double smoothing, float gradient_scale, float* gradients, double* numbers) {
    __shared__ double scratch[32];
    int pair = blockIdx.x;
    int from = starts[2 * pair], middle = starts[2 * pair + 1], to = starts[2 * pair + 2];
    double chosen = -sum_rows(policy, from, middle, scratch);
    double rejected = -sum_rows(policy, middle, to, scratch);
    double chosen_reward = beta * (chosen + sum_rows(reference, from, middle, scratch));
    double rejected_reward = beta * (rejected + sum_rows(reference, middle, to, scratch));
    double margin = chosen_reward - rejected_reward;
    // none for no smoothing: zero times an endless logarithm is no number
    double flipped = smoothing == 0 ? 0 : smoothing * log_sigmoid(-margin);
    double slope = -(1 - smoothing) * sigmoid(-margin) + smoothing * sigmoid(margin);
    // the policy's log-probability is less the sum of its rows
    float gradient = static_cast<float>(beta * gradient_scale * -slope);
    for (int i = from + threadIdx.x; i < to; i += THREADS) gradients[i] = i < middle ? gradient : -gradient;
    if (threadIdx.x == 0) {
        double* own = numbers + static_cast<long long>(pair) * NUMBERS;
        own[0] = -(1 - smoothing) * log_sigmoid(margin) - flipped;
        own[1] = chosen_reward;
        own[2] = rejected_reward;
        own[3] = chosen_reward > rejected_reward ? 1 : 0;
        own[4] = margin;
        own[5] = chosen;
        own[6] = rejected;
    }
}

// One warp: a thread a number, over the pairs in order.
extern "C" __global__ void add_pairs(const double* numbers, int pairs, double* sums) {
    if (threadIdx.x >= NUMBERS) return;
    double sum = 0;
    for (int pair = 0; pair < pairs; pair++) sum += numbers[static_cast<long long>(pair) * NUMBERS + threadIdx.x];
    sums[threadIdx.x] += sum;
}
