// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.pipeline.internal.run.EvalPlan;
import java.io.Serializable;

/**
 * What an executor must know of a run of groups.
 *
 * @param runId name of the run
 * @param configJson all keys in force
 * @param fingerprint of the base that the driver saw; the executor's must be the same
 * @param datasetId rows of token_shards
 * @param maxTokens most tokens that go through the model at once
 * @param slots groups that a device trains side by side
 * @param adapterHash of the adapter that the driver saw, which each group starts from; null: each starts from a fresh one
 * @param evaluation what is measured while a group is trained
 */
record GroupRunSpec(
        String runId,
        String configJson,
        String fingerprint,
        String datasetId,
        int maxTokens,
        int slots,
        String adapterHash,
        EvalPlan evaluation)
        implements Serializable {}
