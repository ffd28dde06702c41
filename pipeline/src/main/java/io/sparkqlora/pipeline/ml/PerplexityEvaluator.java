// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.spark_partition_id;
import static org.apache.spark.sql.functions.sum;

import io.sparkqlora.pipeline.MlErrors;
import io.sparkqlora.pipeline.internal.ml.KeyParams;
import io.sparkqlora.train.LossSum;
import java.util.Comparator;
import java.util.List;
import org.apache.spark.ml.evaluation.Evaluator;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWriter;
import org.apache.spark.ml.util.Identifiable;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * The perplexity of rows that a {@link QLoraModel} transformed: {@code exp} of the mean loss of all counted tokens, as {@code qlora
 * evaluate} gives it. Smaller is better.
 */
public final class PerplexityEvaluator extends Evaluator implements MLWritable {

    private static final long serialVersionUID = 1L;

    private final String uid;
    private final transient KeyParams keyParams;

    /** With a name of its own. */
    public PerplexityEvaluator() {
        this(Identifiable.randomUID("perplexity"));
    }

    /** With the given name. */
    public PerplexityEvaluator(String uid) {
        this.uid = uid;
        this.keyParams = new KeyParams(uid);
        setDefault(lossCol(), "loss");
        setDefault(numTargetTokensCol(), "num_target_tokens");
    }

    @Override
    public String uid() {
        return uid;
    }

    /** Column of losses. */
    public Param<String> lossCol() {
        return keyParams.text("lossCol", "Column of losses: the mean of a row's counted tokens, in nats");
    }

    /** Column of the losses' weights. */
    public Param<String> numTargetTokensCol() {
        return keyParams.text("numTargetTokensCol", "Column that says how many tokens count in the row's loss");
    }

    /** {@link #lossCol}. */
    public PerplexityEvaluator setLossCol(String value) {
        set(lossCol(), value);
        return this;
    }

    /** {@link #numTargetTokensCol}. */
    public PerplexityEvaluator setNumTargetTokensCol(String value) {
        set(numTargetTokensCol(), value);
        return this;
    }

    @Override
    public double evaluate(Dataset<?> dataset) {
        Column loss = column(dataset, lossCol());
        Column targets = column(dataset, numTargetTokensCol());
        // partition by partition, so that the sum has one order
        List<Row> sums = dataset
                .toDF()
                .where(loss.isNotNull())
                .groupBy(spark_partition_id().as("partition"))
                .agg(sum(loss.multiply(targets)), sum(targets.cast("long")))
                .collectAsList()
                .stream()
                .sorted(Comparator.comparingInt(row -> row.getInt(0)))
                .toList();
        LossSum total = LossSum.ZERO;
        for (Row part : sums) {
            total = total.plus(new LossSum(part.getDouble(1), part.getLong(2)));
        }
        if (total.numTargetTokens() == 0) {
            throw MlErrors.nothingCounted(uid, getOrDefault(lossCol()));
        }
        return total.perplexity();
    }

    private Column column(Dataset<?> dataset, Param<String> param) {
        String name = getOrDefault(param);
        if (!List.of(dataset.columns()).contains(name)) {
            throw MlErrors.columnMissing(uid, param.name(), name, List.of(dataset.columns()));
        }
        return col("`" + name.replace("`", "``") + "`");
    }

    @Override
    public boolean isLargerBetter() {
        return false;
    }

    @Override
    public PerplexityEvaluator copy(ParamMap extra) {
        return defaultCopy(extra);
    }

    @Override
    public MLWriter write() {
        return new DefaultParamsWriter(this);
    }

    /** Reads what {@link #write} wrote. */
    public static MLReader<PerplexityEvaluator> read() {
        return new DefaultParamsReader<>();
    }

    /** Reads what {@link #save} wrote. */
    public static PerplexityEvaluator load(String path) {
        return read().load(path);
    }
}
