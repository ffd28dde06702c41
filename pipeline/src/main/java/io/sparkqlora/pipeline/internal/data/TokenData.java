// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.data;

import io.sparkqlora.tokenize.TokenGroup;
import java.util.List;

/**
 * A data set that is in token_shards.
 *
 * @param datasetId its rows
 * @param source where it came from, as configured
 * @param version of the source
 * @param tokenizerHash hash of the tokenizer's files
 * @param rows packed rows
 * @param maxNumTokens of the longest row
 * @param numTokens of all rows
 * @param numTargetTokens that count
 * @param rejectedRows source rows that could not be used
 * @param groups every group, by key; empty without group_by
 * @param reused whether it was there already
 */
public record TokenData(
        String datasetId,
        String source,
        String version,
        String tokenizerHash,
        long rows,
        int maxNumTokens,
        long numTokens,
        long numTargetTokens,
        long rejectedRows,
        List<TokenGroup> groups,
        boolean reused) {}
