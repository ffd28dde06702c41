// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import io.sparkqlora.pipeline.ConfigKey;
import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.PreferenceKeys;
import io.sparkqlora.pipeline.QuantizationKeys;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.TrainingKeys;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.job.AdapterChoice;
import io.sparkqlora.pipeline.internal.run.AdapterConfigJson;
import io.sparkqlora.pipeline.ml.QLoraParams;
import io.sparkqlora.train.Adapter;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.ml.param.Param;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Applies a model to a dataset: nothing happens until the rows are read, and then on the executors, partition by partition. */
public final class Scoring {

    /** What decides how the base is loaded; the rest of a job's keys is about training. */
    private static final List<ConfigKey<?>> OF_BASE = List.of(
            ModelKeys.MODEL_NAME_OR_PATH,
            ModelKeys.CACHE_DIR,
            ModelKeys.BACKEND,
            ModelKeys.MAX_MEMORY,
            DataKeys.MAX_SEQ_LENGTH,
            QuantizationKeys.LOAD_IN_4BIT,
            QuantizationKeys.LOAD_IN_8BIT,
            QuantizationKeys.LLM_INT8_THRESHOLD,
            QuantizationKeys.BNB_4BIT_QUANT_TYPE,
            QuantizationKeys.BNB_4BIT_USE_DOUBLE_QUANT,
            QuantizationKeys.BNB_4BIT_BLOCKSIZE,
            QuantizationKeys.LLM_INT8_SKIP_MODULES,
            QuantizationKeys.BNB_4BIT_COMPUTE_DTYPE,
            QuantizationKeys.OFFLOAD_EMBEDDING,
            PreferenceKeys.STAGE,
            PreferenceKeys.BETA,
            PreferenceKeys.LABEL_SMOOTHING);

    private static final int NO_PAIRS = -1;

    private Scoring() {}

    /** The rows of a dataset with what the model adds. */
    public static Dataset<Row> apply(QLoraParams stage, FittedAdapter fitted, Dataset<?> dataset) {
        Dataset<Row> rows = dataset.toDF();
        StructType schema = TokenInput.outputSchema(stage, rows.schema());
        ScoreSpec spec = new ScoreSpec(
                base(stage, fitted),
                fitted.hash(),
                place(stage, rows.schema(), stage.inputIdsCol()),
                place(stage, rows.schema(), stage.labelsCol()),
                TokenInput.pairs(stage) ? place(stage, rows.schema(), stage.sequenceLengthsCol()) : NO_PAIRS,
                !stage.getOrDefault(stage.lossCol()).isEmpty(),
                !stage.getOrDefault(stage.generatedCol()).isEmpty(),
                false,
                (Integer) stage.getOrDefault(stage.maxNewTokens()));
        Broadcast<Adapter> adapter =
                new JavaSparkContext(rows.sparkSession().sparkContext()).broadcast(fitted.adapter());
        return rows.mapPartitions(new ScoreRows(spec, adapter), Encoders.row(schema));
    }

    /**
     * A stored adapter's greedy answers, with the loss of what counts in a row.
     *
     * @param choice the adapter, on a device that was found
     * @param rows with input_ids and labels; a row where they are null gets no answer
     * @return the rows with loss, num_target_tokens, prediction, prompt, reference
     */
    public static Dataset<Row> answers(AdapterChoice choice, Dataset<Row> rows, int maxNewTokens) {
        FittedAdapter fitted = FittedAdapter.of(choice);
        StructType schema = rows.schema()
                .add("loss", DataTypes.DoubleType)
                .add("num_target_tokens", DataTypes.LongType)
                .add("prediction", DataTypes.StringType)
                .add("prompt", DataTypes.StringType)
                .add("reference", DataTypes.StringType);
        ScoreSpec spec = new ScoreSpec(
                base(choice.config().toBuilder().set(PreferenceKeys.STAGE, null).build(), fitted),
                fitted.hash(),
                rows.schema().fieldIndex("input_ids"),
                rows.schema().fieldIndex("labels"),
                NO_PAIRS,
                true,
                true,
                true,
                maxNewTokens);
        Broadcast<Adapter> adapter =
                new JavaSparkContext(rows.sparkSession().sparkContext()).broadcast(fitted.adapter());
        return rows.mapPartitions(new ScoreRows(spec, adapter), Encoders.row(schema));
    }

    private static int place(QLoraParams stage, StructType schema, Param<String> param) {
        return schema.fieldIndex(stage.getOrDefault(param));
    }

    private static ScoreSpec.Base base(QLoraParams stage, FittedAdapter fitted) {
        KeyParams.require(stage, List.of(stage.modelNameOrPath()));
        JobConfigBuilder all = JobConfig.builder().set(DataKeys.DATASET, TokenInput.SOURCE);
        stage.keyParams().copyTo(stage, all);
        return base(all.set(RunKeys.OUTPUT_DIR, TokenInput.SOURCE).build(), fitted);
    }

    private static ScoreSpec.Base base(JobConfig given, FittedAdapter fitted) {
        JobConfig set = BaseFolder.pinned(BaseFolder.pinnedAs(fitted.adapter().baseModelNameOrPath(), given));
        JobConfigBuilder base = JobConfig.builder()
                .set(DataKeys.DATASET, TokenInput.SOURCE)
                .set(RunKeys.OUTPUT_DIR, TokenInput.SOURCE)
                .set(TrainingKeys.PER_DEVICE_TRAIN_BATCH_SIZE, 1);
        OF_BASE.forEach(key -> base.set(key.name(), set.get(key)));
        JobConfig job = base.build();
        FittedAdapter known = fitted.on(job);
        return new ScoreSpec.Base(
                ConfigJson.write(job),
                AdapterConfigJson.write(fitted.adapter().config()),
                known.fingerprint(),
                known.tokenizerHash(),
                set.get(DataKeys.MAX_SEQ_LENGTH));
    }
}
