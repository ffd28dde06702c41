// SPDX-License-Identifier: Apache-2.0
// How attention_backward_sm90.cu leaves the sums of dQ for attention_backward_ends.cu: F32 [heads][queries][D].
#pragma once

// They lie in rows, as many as there are queries, so that what they take doesn't depend on how long sequences are. A thread of the
// product has two neighbouring columns of every eight; sixteen columns are kept as four groups of what one thread has, which are
// written 16 bytes at a time, and an odd row has its even and odd sixteens swapped, so that two rows written at once don't meet in
// a bank. Such a group's place in its row.
__device__ __forceinline__ int place_in_sums(int sixteen, int group, bool odd) { return (sixteen ^ odd) * 16 + group * 4; }
