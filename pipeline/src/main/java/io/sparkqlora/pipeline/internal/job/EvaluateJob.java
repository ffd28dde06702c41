// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;

import io.sparkqlora.pipeline.AnswerScores;
import io.sparkqlora.pipeline.Evaluation;
import io.sparkqlora.pipeline.GroupErrors;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.internal.cluster.ClusterPreflight;
import io.sparkqlora.pipeline.internal.cluster.TrainingProfile;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.data.DataPart;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.observe.JobGroup;
import io.sparkqlora.pipeline.internal.run.RunDevice;
import io.sparkqlora.pipeline.internal.run.RunDevices;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.PreferenceMetrics;
import io.sparkqlora.train.PreferenceSum;
import java.sql.Timestamp;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/** Measures an adapter and its base on a data set. */
public final class EvaluateJob {

    /** Numbers that {@link EvaluateTask} gives of rows that are no pairs. */
    private static final int TOKEN_SUMS = 4;

    private EvaluateJob() {}

    /** Evaluates on {@link DataPart#EVALUATION} and records it. */
    public static Evaluation run(Workspace work, AdapterChoice chosen) {
        Evaluation result = measure(work, chosen);
        record(work, chosen, result, null);
        return result;
    }

    /** Evaluates without recording it. */
    public static Evaluation measure(Workspace work, AdapterChoice chosen) {
        JobConfig config = work.config();
        PreferenceChecks.check(config);
        BaseModel base = JobInputs.check(chosen);
        ClusterPreflight.checkBase(work.spark().sparkContext(), base, chosen.config());
        RunDevice device = RunDevices.find(work.spark(), config);
        AdapterChoice choice = chosen.withBackend(device.backend());
        JobInputs.requireMemory(choice.config(), base, device, 1);
        work.observer().onMessage("evaluating " + choice.adapterId() + " " + device.describe());
        String source = DataPart.EVALUATION.source(config);
        TokenData data = TokenDatasets.prepare(
                work.withBaseOf(choice.config()),
                DataPart.EVALUATION,
                longest -> JobInputs.requireMemory(choice.config(), base, device, longest));
        requireRows(data, choice.group());
        int maxTokens = JobInputs.batchTokens(choice.config(), data.maxNumTokens());
        String title = "evaluate " + choice.adapterId();
        try (JobGroup group = JobGroup.open(work.spark().sparkContext(), title, title + " on " + source)) {
            Objects.requireNonNull(group);
            return measure(work, choice, data, maxTokens);
        }
    }

    /** A group's adapter is measured on the rows of its group, where rows have groups. */
    private static void requireRows(TokenData data, String group) {
        boolean any = group == null
                || data.groups().isEmpty()
                || data.groups().stream().anyMatch(each -> each.key().equals(group) && each.rows() > 0);
        if (!any) {
            throw GroupErrors.noRowsOfGroup(group, data.source());
        }
    }

    private static Evaluation measure(Workspace work, AdapterChoice choice, TokenData data, int maxTokens) {
        Broadcast<Adapter> adapter = new JavaSparkContext(work.spark().sparkContext()).broadcast(choice.adapter());
        EvaluateTask task = new EvaluateTask(ConfigJson.write(choice.config()), adapter, maxTokens);
        TrainingProfile profile =
                TrainingProfile.of(work.spark().sparkContext(), choice.config().get(ModelKeys.BACKEND));
        double[] sums = profile.on(tokenRows(work, data, choice.group()).mapPartitions(task))
                .collect()
                .get(0);
        PreferenceSum pairs = sums.length == TOKEN_SUMS ? null : pairs(sums);
        double terms = pairs == null ? sums[2] : pairs.pairs();
        return new Evaluation(
                choice.adapterId(),
                data.source(),
                data.datasetId(),
                sums[0] / terms,
                sums[1] / terms,
                (long) sums[3],
                (long) sums[2],
                pairs == null ? 0 : pairs.pairs(),
                pairs == null ? null : pairs.metrics());
    }

    private static PreferenceSum pairs(double[] sums) {
        List<Double> numbers =
                Arrays.stream(sums, TOKEN_SUMS + 1, sums.length).boxed().toList();
        return new PreferenceSum(numbers, (long) sums[TOKEN_SUMS]);
    }

    private static JavaRDD<Row> tokenRows(Workspace work, TokenData data, String group) {
        boolean all = group == null || data.groups().isEmpty();
        return work.tables()
                .read(Table.TOKEN_SHARDS)
                .where(col("dataset_id").equalTo(data.datasetId()))
                .where(all ? lit(true) : col("group_key").equalTo(group))
                .select("row_index", "sequence_lengths", "input_ids", "labels")
                .repartition(1)
                .sortWithinPartitions("row_index")
                .javaRDD();
    }

    /**
     * Records an evaluation.
     *
     * @param scores of answers, or null
     */
    public static void record(Workspace work, AdapterChoice choice, Evaluation e, AnswerScores scores) {
        List<Object> values = new ArrayList<>(Arrays.asList(
                choice.source().runId(),
                e.adapterId(),
                choice.source().step(),
                e.dataset(),
                e.datasetId(),
                e.loss(),
                e.preference() == null ? e.perplexity() : null,
                e.baseLoss(),
                e.preference() == null ? e.basePerplexity() : null,
                e.numRows(),
                e.numTargetTokens(),
                new Timestamp(System.currentTimeMillis()),
                choice.group(),
                scores == null ? null : scores.exactMatch(),
                scores == null ? null : scores.rouge1(),
                scores == null ? null : scores.rouge2(),
                scores == null ? null : scores.rougeL()));
        boolean pairs = e.preference() != null;
        values.add(pairs ? e.numPairs() : null);
        values.addAll(pairs ? e.preference().values() : Collections.nCopies(PreferenceMetrics.COUNT, null));
        Row row = RowFactory.create(values.toArray());
        Dataset<Row> rows = work.spark().createDataFrame(List.of(row), Table.EVALUATIONS.schema());
        work.tables().append(Table.EVALUATIONS, rows.coalesce(1));
    }
}
