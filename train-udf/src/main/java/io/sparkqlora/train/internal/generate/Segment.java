// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.generate;

/**
 * Tokens of one sequence that go through the model together.
 *
 * @param prompt index of the prompt in its batch
 * @param from position of the first token
 * @param tokens prompt and answer so far; {@code count} of them from {@code from} on are fed
 * @param count tokens that are fed
 * @param length tokens of the sequence that are known, by which the rotary embedding goes
 * @param last whether the last of them is the end of what is known, so that its logits are wanted
 */
@SuppressWarnings("ArrayRecordComponent")
record Segment(int prompt, int from, int[] tokens, int count, int length, boolean last) {}
