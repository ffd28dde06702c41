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

// The tile with that index when those at the head of their sequences' longest remainders come first: of all tiles, ordered by
// how many tiles of their sequence follow them. Where the remainder is the work (the queries that see a block of keys), the
// longest work is begun first, and what is left over at the end is short. FROM_END: by how many go before them instead.
template <bool FROM_END>
__device__ inline Tile find_longest_tile(int index, int height, const int* query_starts, const int* key_starts, int sequences) {
    const int* starts = FROM_END ? query_starts : key_starts;
    int lane = threadIdx.x % 32;
    auto tiles_of = [&](int sequence) {
        return sequence < sequences ? (starts[sequence + 1] - starts[sequence] + height - 1) / height : 0;
    };
    int mine = tiles_of(lane), most = mine;  // of the first 32, which often are all
    for (int first = 32; first < sequences; first += 32) most = max(most, tiles_of(first + lane));
    most = __reduce_max_sync(~0u, most);
    // tiles with at least `rank` of their sequence from them on, themselves included
    auto count = [&](int rank) {
        int found = max(0, mine - rank + 1);
        for (int first = 32; first < sequences; first += 32) found += max(0, tiles_of(first + lane) - rank + 1);
        return __reduce_add_sync(~0u, found);
    };
    int rank = 0, above = most + 1;  // count(rank) > index, count(above) <= index
    while (above - rank > 1) {
        int middle = (rank + above) / 2;
        (count(middle) > index ? rank : above) = middle;
    }
    if (rank == 0) return Tile{0, 0, 0, 0, 0, 0};
    int skip = index - (above > most ? 0 : count(above));
    for (int first = 0;; first += 32) {
        int tiles = first == 0 ? mine : tiles_of(first + lane);
        unsigned owners = __ballot_sync(~0u, tiles >= rank);
        if (skip >= __popc(owners)) {
            skip -= __popc(owners);
            continue;
        }
        int owner = __fns(owners, 0, skip + 1);
        int sequence = first + owner;
        int query_start = query_starts[sequence], key_start = key_starts[sequence];
        int before = FROM_END ? rank - 1 : __shfl_sync(~0u, tiles, owner) - rank;
        return Tile{before * height, query_starts[sequence + 1] - query_start, key_starts[sequence + 1] - key_start,
                    query_start, key_start, sequence};
    }
}
