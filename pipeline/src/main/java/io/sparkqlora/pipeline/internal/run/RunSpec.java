// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import java.io.Serializable;

/**
 * What an executor must know of a run.
 *
 * @param runId name of the run
 * @param configJson all keys in force
 * @param fingerprint of the base that the driver saw; the executor's must be the same
 * @param datasetId rows of token_shards
 * @param plan steps and rows
 * @param maxTokens most tokens of a micro-batch, or of a row that is evaluated
 * @param evaluation what is measured meanwhile
 * @param adapterHash of the adapter that the driver saw, which the run starts from; the executor's must be the same. null: it
 *     starts from a fresh one
 */
public record RunSpec(
        String runId,
        String configJson,
        String fingerprint,
        String datasetId,
        StepPlan plan,
        int maxTokens,
        EvalPlan evaluation,
        String adapterHash)
        implements Serializable {}
