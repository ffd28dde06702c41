// SPDX-License-Identifier: Apache-2.0
// Which rows of which sequence a block works on. Sequences lie one after another; the grid is an upper bound on the number
// of tiles, since a captured graph can't change it.
#pragma once

struct Tile {
    int row;          // first row, counted in its sequence
    int queries;      // of the sequence; 0: there is no such tile
    int keys;
    int query_start;  // where the sequence begins
    int key_start;
    int sequence;
};

// The tile with that index, tiles of `height` queries (or keys) being counted through all sequences. Every warp finds it for
// itself.
__device__ inline Tile find_tile(int index, int height, const int* query_starts, const int* key_starts, int sequences,
                                 bool of_keys = false) {
    const int* starts = of_keys ? key_starts : query_starts;
    int lane = threadIdx.x % 32;
    int before = 0;
    for (int first = 0; first < sequences; first += 32) {
        int sequence = first + lane;
        bool exists = sequence < sequences;
        int tiles = exists ? (starts[sequence + 1] - starts[sequence] + height - 1) / height : 0;
        int end = tiles;
        for (int step = 1; step < 32; step *= 2) {
            int other = __shfl_up_sync(~0u, end, step);
            if (lane >= step) end += other;
        }
        end += before;
        unsigned owners = __ballot_sync(~0u, index < end);
        if (owners != 0) {
            int owner = __ffs(owners) - 1;
            int start = __shfl_sync(~0u, end - tiles, owner);
            sequence = first + owner;
            int query_start = query_starts[sequence], key_start = key_starts[sequence];
            return Tile{(index - start) * height, query_starts[sequence + 1] - query_start, key_starts[sequence + 1] - key_start,
                        query_start, key_start, sequence};
        }
        before = __shfl_sync(~0u, end, 31);
    }
    return Tile{0, 0, 0, 0, 0, 0};
}
