// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.data;

import io.sparkqlora.pipeline.DataErrors;
import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.config.TextLists;
import io.sparkqlora.tokenize.DataSource;
import io.sparkqlora.tokenize.SourceMix;
import io.sparkqlora.tokenize.SourceRows;
import io.sparkqlora.tokenize.TokenizeOptions;
import java.util.List;
import org.apache.spark.sql.SparkSession;

/** Which rows of a job's data are wanted: those to train on, or those to measure on. */
public enum DataPart {
    /** {@code dataset}, but for what is held out. */
    TRAINING,
    /** {@code eval_dataset}; without it what is held out of {@code dataset}; without that, all of {@code dataset}. */
    EVALUATION;

    private static final String CONCAT = "concat";

    /** Checks what a job says of its sources. */
    public static void check(JobConfig config) {
        int sources = TextLists.of(config.get(DataKeys.DATASET)).size();
        String strategy = config.get(DataKeys.MIX_STRATEGY);
        String probabilities = config.get(DataKeys.INTERLEAVE_PROBS);
        if (strategy.equals(CONCAT)) {
            if (probabilities != null) {
                throw DataErrors.unusedProbabilities(probabilities);
            }
        } else if (probabilities == null) {
            throw DataErrors.noProbabilities(strategy, sources);
        } else if (TextLists.numbersOf(probabilities).size() != sources) {
            throw DataErrors.otherProbabilities(probabilities, sources);
        }
    }

    /** The sources, as configured. */
    public String source(JobConfig config) {
        return config.get(ownSource(config) ? DataKeys.EVAL_DATASET : DataKeys.DATASET);
    }

    /** What is to be done with a row. */
    public TokenizeOptions options(JobConfig config) {
        TokenizeOptions options = TokenizeSettings.of(config);
        if (this == TRAINING || options.split() == null) {
            return options;
        }
        return options.withSplit(ownSource(config) ? null : options.split().heldOut());
    }

    /** Opens the sources. */
    public SourceMix read(SparkSession spark, JobConfig config) {
        List<SourceRows> sources = TextLists.of(source(config)).stream()
                .map(each ->
                        DataSource.of(each, config.get(DataKeys.DATASET_FORMAT)).read(spark))
                .toList();
        String strategy = config.get(DataKeys.MIX_STRATEGY);
        if (ownSource(config) || strategy.equals(CONCAT)) {
            return SourceMix.concatenated(sources);
        }
        List<Double> probabilities = TextLists.numbersOf(config.get(DataKeys.INTERLEAVE_PROBS));
        return SourceMix.interleaved(spark, sources, probabilities, strategy.equals("interleave_over"));
    }

    private boolean ownSource(JobConfig config) {
        return this == EVALUATION && config.has(DataKeys.EVAL_DATASET);
    }
}
