// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.internal.ml.Fit;
import io.sparkqlora.pipeline.internal.ml.Fits;
import io.sparkqlora.pipeline.internal.ml.FittedAdapter;
import io.sparkqlora.pipeline.internal.ml.KeyParams;
import io.sparkqlora.pipeline.internal.ml.TokenInput;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWriter;
import org.apache.spark.ml.util.Identifiable;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.types.StructType;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Trains a LoRA adapter over a 4-bit base on tokenised rows, as {@code qlora train} does with the same keys: the same rows give
 * the same adapter, bit for bit, and the run stands in the tables under {@code outputDir}. A fit that was interrupted goes on.
 *
 * <p>Fits that are asked for together, by {@link #fit(Dataset, ParamMap[])} or by threads at the same time ({@code
 * CrossValidator} with {@code parallelism} of the grid's size), on the same rows, and that differ in what a group may have of its
 * own ({@link GroupKeys#GROUP_HYPERPARAMETERS}), are one run: adapters trained side by side over one base, {@link
 * #groupsPerDevice} at a time, or all where that is not set. Such an adapter is the one trained alone, to rounding. Others are
 * trained one after another.
 *
 * <p>All methods throw {@link io.sparkqlora.kernels.QLoraException}.
 */
public final class QLoraEstimator extends QLoraSetters implements MLWritable {

    private static final long serialVersionUID = 1L;

    private final String uid;
    private final transient KeyParams keyParams;

    /** With a name of its own. */
    public QLoraEstimator() {
        this(Identifiable.randomUID("qlora"));
    }

    /** With the given name. */
    public QLoraEstimator(String uid) {
        this.uid = uid;
        this.keyParams = new KeyParams(uid);
        TokenInput.setDefaults(this);
    }

    @Override
    public String uid() {
        return uid;
    }

    @Override
    public KeyParams keyParams() {
        return keyParams;
    }

    @Override
    public QLoraModel fit(Dataset<?> dataset) {
        return model(this, Fits.together(request(dataset)));
    }

    /**
     * Fits a grid as one run.
     *
     * @return a model for each map, in their order
     */
    public List<QLoraModel> fit(Dataset<?> dataset, ParamMap[] paramMaps) {
        return CollectionConverters.asJava(
                fit(dataset, CollectionConverters.asScala(List.of(paramMaps)).toSeq()));
    }

    /** As {@link #fit(Dataset, ParamMap[])}, for Scala. */
    @Override
    public Seq<QLoraModel> fit(Dataset<?> dataset, Seq<ParamMap> paramMaps) {
        List<QLoraEstimator> estimators =
                CollectionConverters.asJava(paramMaps).stream().map(this::copy).toList();
        List<FittedAdapter> fitted =
                Fits.all(estimators.stream().map(each -> each.request(dataset)).toList());
        List<QLoraModel> models = new ArrayList<>();
        for (int i = 0; i < fitted.size(); i++) {
            models.add(model(estimators.get(i), fitted.get(i)));
        }
        return CollectionConverters.asScala(models).toSeq();
    }

    private Fit request(Dataset<?> dataset) {
        transformSchema(dataset.schema());
        return TokenInput.fit(this, dataset);
    }

    private static QLoraModel model(QLoraEstimator estimator, FittedAdapter fitted) {
        return estimator
                .copyValues(new QLoraModel(estimator.uid, fitted), ParamMap.empty())
                .setParent(estimator);
    }

    @Override
    public StructType transformSchema(StructType schema) {
        return TokenInput.outputSchema(this, schema);
    }

    @Override
    public QLoraEstimator copy(ParamMap extra) {
        return defaultCopy(extra);
    }

    @Override
    public MLWriter write() {
        return new DefaultParamsWriter(this);
    }

    /** Reads what {@link #write} wrote. */
    public static MLReader<QLoraEstimator> read() {
        return new DefaultParamsReader<>();
    }

    /** Reads what {@link #save} wrote. */
    public static QLoraEstimator load(String path) {
        return read().load(path);
    }

    @Override
    <T> QLoraEstimator with(Param<T> param, T value) {
        set(param, value);
        return this;
    }
}
