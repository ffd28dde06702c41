// SPDX-License-Identifier: Apache-2.0
// The matrix instructions of sm_80 and up: asynchronous copies to shared memory, ldmatrix, mma.sync of bf16 or f16
// (narrow.cuh) with f32 sums.
#pragma once

#include <cstdint>

#include "narrow.cuh"

namespace mma {

__device__ __forceinline__ uint32_t shared_address(const void* p) {
    return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// 16 bytes, or zeros where `inside` is false.
__device__ __forceinline__ void copy_16(uint32_t target, const void* source, bool inside) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(target), "l"(source), "r"(inside ? 16 : 0) : "memory");
}

__device__ __forceinline__ void commit() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int PENDING>
__device__ __forceinline__ void wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

// Four 8×8 matrices; lane l gives the address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void load_matrices(uint32_t (&r)[4], uint32_t address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

__device__ __forceinline__ void load_matrices_transposed(uint32_t (&r)[4], uint32_t address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

// d[16×8] += a[16×16] · b[16×8]
__device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32." MMA_TYPES ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ uint32_t pack(float low, float high) {
    return pack_narrow(low, high);
}

// A tile of ROWS × COLS elements of 16 bits in shared memory (COLS a multiple of 32), its 16-byte pieces permuted within a row so that eight
// rows of one column of pieces lie in eight different groups of banks: what ldmatrix and the copies touch at once.
template <int ROWS_, int COLS_>
struct Tile {
    static constexpr int ROWS = ROWS_, COLS = COLS_;
    static constexpr int PIECES = COLS / 8;
    static constexpr int BYTES = ROWS * COLS * 2;

    // Of the piece that holds column `col`; for rows of 4 pieces two rows share one line of 128 bytes.
    __device__ __forceinline__ static uint32_t offset(int row, int col) {
        int piece = col / 8;
        int turn = PIECES >= 8 ? row % 8 : row / 2 % 4;
        return (row * PIECES + (piece ^ turn)) * 16;
    }

    // Rows first_row…, columns first_col… of a matrix [rows, cols] in memory; what lies outside becomes zero. Rows that begin
    // at odd places (16 bytes) are copied element by element.
    template <int THREADS>
    __device__ __forceinline__ static void fetch(uint8_t* tile, const narrow* x, long long stride, int first_row, int rows,
                                                 int first_col, int cols, bool aligned) {
#pragma unroll
        for (int i = threadIdx.x; i < ROWS * PIECES; i += THREADS) {
            int r = i / PIECES, c = i % PIECES * 8;
            int row = first_row + r, col = first_col + c;
            uint8_t* target = tile + offset(r, c);
            const narrow* source = x + row * stride + col;
            if (aligned && (col + 8 <= cols || col >= cols || row >= rows)) {
                bool inside = row < rows && col < cols;
                copy_16(shared_address(target), inside ? source : x, inside);
            } else {
                narrow piece[8];
                for (int k = 0; k < 8; k++) {
                    piece[k] = row < rows && col + k < cols ? source[k] : round_narrow(0.f);
                }
                *reinterpret_cast<uint4*>(target) = *reinterpret_cast<uint4*>(piece);
            }
        }
    }
};

// Fetches a sequence of tiles: what a thread copies lies at the same place of each tile, so places and limits are found once.
//
//   along rows:    tile after tile down the rows of a matrix, its columns the same (the keys of a head)
//   along columns: tile after tile along its rows (the k of an operand that lies by rows)
template <class T, int THREADS, bool ALONG_ROWS>
struct Loader {
    static constexpr int PIECES = T::PIECES;
    static constexpr int COUNT = T::ROWS * PIECES / THREADS;
    static constexpr int STEP = THREADS / PIECES;  // rows from one copy of a thread to its next
    static_assert(T::ROWS * PIECES % THREADS == 0 && STEP % 8 == 0);

    const narrow* matrix;
    long long stride;
    int first, limit;  // of the direction that stays: where the tiles begin, where the matrix ends
    bool aligned;
    int row, col;      // of the thread's first copy, in a tile
    uint32_t target;
    unsigned inside;   // a bit a copy: whether it is inside in the direction that stays

    __device__ __forceinline__ Loader(const narrow* matrix, long long stride, int first, int limit, bool aligned)
        : matrix(matrix), stride(stride), first(first), limit(limit), aligned(aligned), row(threadIdx.x / PIECES),
          col(threadIdx.x % PIECES * 8), target(T::offset(row, col)), inside(0) {
        if (ALONG_ROWS) {
            inside = first + col + 8 <= limit ? ~0u : 0u;
            this->aligned = aligned && (limit - first) % 8 == 0;
        } else {
#pragma unroll
            for (int i = 0; i < COUNT; i++) inside |= (first + row + i * STEP < limit ? 1u : 0u) << i;
        }
    }

    // The tile that begins at `at` of the moving direction, which ends at `end`.
    __device__ __forceinline__ void fetch(uint8_t* tile, int at, int end) const {
        constexpr int LENGTH = ALONG_ROWS ? T::ROWS : T::COLS;
        if (!aligned || (!ALONG_ROWS && at + LENGTH > end)) {
            T::template fetch<THREADS>(tile, matrix, stride, ALONG_ROWS ? at : first, ALONG_ROWS ? end : limit, ALONG_ROWS ? first : at,
                                       ALONG_ROWS ? limit : end, aligned);
            return;
        }
        const narrow* source = matrix + (ALONG_ROWS ? at + row : first + row) * stride + (ALONG_ROWS ? first : at) + col;
        uint32_t to = shared_address(tile) + target;
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            bool there = (inside >> i & 1) != 0 && (!ALONG_ROWS || at + row + i * STEP < end);
            copy_16(to + i * STEP * PIECES * 16, there ? source + i * STEP * stride : matrix, there);
        }
    }
};

}  // namespace mma
