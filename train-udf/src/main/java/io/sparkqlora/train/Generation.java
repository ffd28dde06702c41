// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

/**
 * The continuation of a prompt.
 *
 * @param tokens the new tokens, with the end token if one came
 * @param ended whether an end token came; otherwise the limit was reached
 */
@SuppressWarnings("ArrayRecordComponent")
public record Generation(int[] tokens, boolean ended) {}
