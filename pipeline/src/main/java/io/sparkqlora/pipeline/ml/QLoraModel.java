// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.ml.FittedAdapter;
import io.sparkqlora.pipeline.internal.ml.KeyParams;
import io.sparkqlora.pipeline.internal.ml.SavedModel;
import io.sparkqlora.pipeline.internal.ml.Scoring;
import io.sparkqlora.pipeline.internal.ml.TokenInput;
import io.sparkqlora.pipeline.internal.run.FirstAdapter;
import io.sparkqlora.train.Adapter;
import org.apache.spark.ml.Model;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.Identifiable;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;

/**
 * An adapter with its base: adds to tokenised rows their loss, what the model answers, or both.
 *
 * <p>{@link #transform} is lazy and runs on the executors, each of which keeps the base in memory for the next rows, and for other
 * models over it. A row without tokens, or without any that count, has no loss; rows are cut at {@code maxSeqLength} as in
 * training. The base is not part of what is saved: it is found at {@code modelNameOrPath}, and refused if it is another one.
 */
public final class QLoraModel extends Model<QLoraModel> implements QLoraParams, MLWritable {

    private static final long serialVersionUID = 1L;

    private final String uid;
    private final transient KeyParams keyParams;
    private final transient FittedAdapter fitted;

    QLoraModel(String uid, FittedAdapter fitted) {
        this.uid = uid;
        this.fitted = fitted;
        this.keyParams = new KeyParams(uid);
        TokenInput.setDefaults(this);
    }

    /**
     * The adapter in a folder, as PEFT, {@code export} or {@code combine} write it. Its base is the one that it names itself
     * ({@code base_model_name_or_path}) unless {@link #setModelNameOrPath} names another; how that is held other params say, which
     * have a job's defaults ({@code model.set(model.loadIn4bit(), false)}). Which base it was trained on a folder doesn't say: any is taken
     * whose shapes fit, and compared when rows are asked for.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if files are missing or damaged, or use an option that can't be run
     */
    public static QLoraModel fromAdapter(String folder) {
        FittedAdapter fitted = FittedAdapter.in(FirstAdapter.folder("fromAdapter", folder));
        QLoraModel model = new QLoraModel(Identifiable.randomUID("qloraModel"), fitted);
        String base = fitted.adapter().baseModelNameOrPath();
        return base == null ? model : model.setModelNameOrPath(BaseFolder.ofAdapter(base));
    }

    @Override
    public String uid() {
        return uid;
    }

    @Override
    public KeyParams keyParams() {
        return keyParams;
    }

    /** The adapter. */
    public Adapter adapter() {
        return fitted.adapter();
    }

    /** The run that trained it, in the tables under {@code outputDir}; null of an adapter in a folder. */
    public String runId() {
        return fitted.runId();
    }

    /** Its id in the table of adapters: {@code run_id@step}, or {@code run_id/group_key@step}; or its folder. */
    public String adapterId() {
        return fitted.adapterId();
    }

    @Override
    public Dataset<Row> transform(Dataset<?> dataset) {
        return Scoring.apply(this, fitted, dataset);
    }

    @Override
    public StructType transformSchema(StructType schema) {
        return TokenInput.outputSchema(this, schema);
    }

    @Override
    public QLoraModel copy(ParamMap extra) {
        return copyValues(new QLoraModel(uid, fitted), extra).setParent(parent());
    }

    @Override
    public MLWriter write() {
        return new SavedModel.Writer(this, fitted);
    }

    /** Reads what {@link #write} wrote. */
    public static MLReader<QLoraModel> read() {
        return new SavedModel.Reader<>(QLoraModel.class, QLoraModel::new);
    }

    /** Reads what {@link #save} wrote. */
    public static QLoraModel load(String path) {
        return read().load(path);
    }

    private <T> QLoraModel with(Param<T> param, T value) {
        set(param, value);
        return this;
    }

    /** {@link QLoraParams#modelNameOrPath}: where the base lies now. */
    public QLoraModel setModelNameOrPath(String value) {
        return with(modelNameOrPath(), value);
    }

    /** {@link QLoraParams#backend}. */
    public QLoraModel setBackend(String value) {
        return with(backend(), value);
    }

    /** {@link QLoraParams#maxMemory}. */
    public QLoraModel setMaxMemory(String value) {
        return with(maxMemory(), value);
    }

    /** {@link QLoraParams#inputIdsCol}. */
    public QLoraModel setInputIdsCol(String value) {
        return with(inputIdsCol(), value);
    }

    /** {@link QLoraParams#labelsCol}. */
    public QLoraModel setLabelsCol(String value) {
        return with(labelsCol(), value);
    }

    /** {@link QLoraParams#lossCol}. */
    public QLoraModel setLossCol(String value) {
        return with(lossCol(), value);
    }

    /** {@link QLoraParams#numTargetTokensCol}. */
    public QLoraModel setNumTargetTokensCol(String value) {
        return with(numTargetTokensCol(), value);
    }

    /** {@link QLoraParams#generatedCol}. */
    public QLoraModel setGeneratedCol(String value) {
        return with(generatedCol(), value);
    }

    /** {@link QLoraParams#maxNewTokens}. */
    public QLoraModel setMaxNewTokens(int value) {
        return with(maxNewTokens(), value);
    }

    @Override
    public String toString() {
        return "QLoraModel: uid=" + uid + ", adapter=" + adapterId();
    }
}
