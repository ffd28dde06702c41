// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import org.apache.spark.sql.Row;

/**
 * What a run is made from.
 *
 * @param runId name of the run
 * @param baseModel the base checkpoint, as the job names it
 * @param fingerprint hash of the base
 * @param tokenizerHash hash of the tokenizer's files
 * @param dataset source of the data, as configured
 * @param datasetVersion version of the source
 * @param datasetId rows of token_shards
 * @param config all keys in force, as JSON
 * @param versions of software, as JSON
 * @param totalSteps optimizer steps of the whole run
 * @param device what the run was started on; null for one of an earlier version
 * @param evalDatasetId rows of token_shards that are evaluated meanwhile, or null
 * @param adapterHash hash of the adapter that it started from, or null
 */
public record RunInputs(
        String runId,
        String baseModel,
        String fingerprint,
        String tokenizerHash,
        String dataset,
        String datasetVersion,
        String datasetId,
        String config,
        String versions,
        long totalSteps,
        String device,
        String evalDatasetId,
        String adapterHash) {

    /** The base checkpoint; of a model of the Hub, at its commit. */
    public String base() {
        return baseModel.startsWith("hf://")
                ? (String) ConfigJson.values(config).get(ModelKeys.MODEL_NAME_OR_PATH.name())
                : baseModel;
    }

    static RunInputs of(Row row) {
        return new RunInputs(
                row.getAs("run_id"),
                row.getAs("base_model"),
                row.getAs("base_model_fingerprint"),
                row.getAs("tokenizer_hash"),
                row.getAs("dataset"),
                row.getAs("dataset_version"),
                row.getAs("dataset_id"),
                row.getAs("config"),
                row.getAs("versions"),
                row.<Long>getAs("total_steps"),
                row.getAs("device"),
                row.getAs("eval_dataset_id"),
                row.getAs("adapter_hash"));
    }
}
