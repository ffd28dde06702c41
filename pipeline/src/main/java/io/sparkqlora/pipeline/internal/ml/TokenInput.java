// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.MlErrors;
import io.sparkqlora.pipeline.PreferenceErrors;
import io.sparkqlora.pipeline.PreferenceKeys;
import io.sparkqlora.pipeline.ml.QLoraParams;
import java.util.List;
import org.apache.spark.ml.param.Param;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.IntegerType;
import org.apache.spark.sql.types.StructType;

/** What estimator and model have in common: their columns, their defaults, their job. */
public final class TokenInput {

    /** The name under which rows of a DataFrame stand where a job has its dataset. */
    static final String SOURCE = "dataframe";

    private static final int MAX_NEW_TOKENS = 64;

    private TokenInput() {}

    /** Gives a new stage its defaults. */
    public static void setDefaults(QLoraParams stage) {
        stage.keyParams().setDefaults(stage);
        stage.setDefault(stage.inputIdsCol(), "input_ids");
        stage.setDefault(stage.labelsCol(), "labels");
        stage.setDefault(stage.sequenceLengthsCol(), "sequence_lengths");
        stage.setDefault(stage.lossCol(), "loss");
        stage.setDefault(stage.numTargetTokensCol(), "num_target_tokens");
        stage.setDefault(stage.generatedCol(), "");
        stage.setDefault(stage.maxNewTokens(), MAX_NEW_TOKENS);
    }

    /**
     * The job of an estimator's params.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P110 for a param that must be set
     */
    private static JobConfig job(QLoraParams stage) {
        KeyParams.require(stage, List.of(stage.modelNameOrPath(), stage.outputDir()));
        JobConfigBuilder job = JobConfig.builder().set(DataKeys.DATASET, SOURCE);
        stage.keyParams().copyTo(stage, job);
        return job.set(GroupKeys.GROUPS_PER_DEVICE.name(), null).build();
    }

    /** What an estimator is to train. */
    public static Fit fit(QLoraParams stage, Dataset<?> dataset) {
        int atOnce = stage.isSet(stage.groupsPerDevice())
                ? (Integer) stage.getOrDefault(stage.groupsPerDevice())
                : Integer.MAX_VALUE;
        return new Fit(rows(stage, dataset), job(stage), atOnce);
    }

    /** The rows of a dataset as {@code input_ids}, {@code labels} and, of pairs, {@code sequence_lengths}. */
    private static Dataset<Row> rows(QLoraParams stage, Dataset<?> dataset) {
        Column inputIds = column(stage, stage.inputIdsCol(), "input_ids");
        Column labels = column(stage, stage.labelsCol(), "labels");
        return pairs(stage)
                ? dataset.toDF().select(inputIds, labels, column(stage, stage.sequenceLengthsCol(), "sequence_lengths"))
                : dataset.toDF().select(inputIds, labels);
    }

    /** Whether rows are pairs of sequences, of which one is preferred. */
    static boolean pairs(QLoraParams stage) {
        return stage.getOrDefault(stage.stage()).equals(PreferenceKeys.DPO);
    }

    private static Column column(QLoraParams stage, Param<String> param, String name) {
        return col("`" + stage.getOrDefault(param).replace("`", "``") + "`").as(name);
    }

    /**
     * The columns that a model gives for rows of a schema.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P111 to P114 if they can't be
     */
    public static StructType outputSchema(QLoraParams stage, StructType schema) {
        requireIntegers(stage, schema, stage.inputIdsCol());
        requireIntegers(stage, schema, stage.labelsCol());
        if (pairs(stage)) {
            requireIntegers(stage, schema, stage.sequenceLengthsCol());
            if (!stage.getOrDefault(stage.generatedCol()).isEmpty()) {
                throw PreferenceErrors.noAnswers("generatedCol");
            }
        }
        boolean loss = !stage.getOrDefault(stage.lossCol()).isEmpty();
        boolean generated = !stage.getOrDefault(stage.generatedCol()).isEmpty();
        if (!loss && !generated) {
            throw MlErrors.noOutput(stage.uid(), List.of("lossCol", "generatedCol"));
        }
        StructType out = schema;
        if (loss) {
            out = add(stage, out, stage.lossCol(), DataTypes.DoubleType);
            out = add(stage, out, stage.numTargetTokensCol(), DataTypes.LongType);
        }
        return generated ? add(stage, out, stage.generatedCol(), DataTypes.StringType) : out;
    }

    private static void requireIntegers(QLoraParams stage, StructType schema, Param<String> param) {
        String name = stage.getOrDefault(param);
        List<String> columns = List.of(schema.fieldNames());
        if (!columns.contains(name)) {
            throw MlErrors.columnMissing(stage.uid(), param.name(), name, columns);
        }
        DataType type = schema.apply(name).dataType();
        if (!(type instanceof ArrayType array && array.elementType() instanceof IntegerType)) {
            throw MlErrors.columnType(stage.uid(), param.name(), name, type.simpleString(), "array<int>");
        }
    }

    private static StructType add(QLoraParams stage, StructType schema, Param<String> param, DataType type) {
        return added(stage.uid(), schema, param, stage.getOrDefault(param), type);
    }

    /**
     * A schema with one more column.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P113 if it is there
     */
    public static StructType added(String stage, StructType schema, Param<String> param, String name, DataType type) {
        if (List.of(schema.fieldNames()).contains(name)) {
            throw MlErrors.columnExists(stage, param.name(), name);
        }
        return schema.add(name, type);
    }
}
