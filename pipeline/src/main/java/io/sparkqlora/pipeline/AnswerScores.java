// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

/**
 * How near an adapter's answers are to those that were expected; means over rows, from 0 to 1.
 *
 * @param exactMatch part of the rows whose answer is the expected one but for blanks around it
 * @param rouge1 F-measure of single words
 * @param rouge2 F-measure of pairs of words
 * @param rougeL F-measure of the longest common subsequence of words
 * @param numRows sequences that were answered
 */
public record AnswerScores(double exactMatch, double rouge1, double rouge2, double rougeL, long numRows) {}
