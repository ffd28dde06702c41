// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import io.sparkqlora.pipeline.MlErrors;
import io.sparkqlora.pipeline.internal.run.AdapterConfigJson;
import io.sparkqlora.pipeline.internal.run.TensorRows;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.NamedTensor;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiFunction;
import org.apache.hadoop.fs.Path;
import org.apache.spark.ml.param.Params;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWriter;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** A model in a folder of any filesystem: MLlib's {@code metadata}, and {@code data}, a Parquet row for each tensor. */
public final class SavedModel {

    private static final String DATA = "data";

    private static final StructType SCHEMA = new StructType()
            .add("run_id", DataTypes.StringType)
            .add("adapter_id", DataTypes.StringType)
            .add("base_model", DataTypes.StringType)
            .add("base_model_fingerprint", DataTypes.StringType)
            .add("tokenizer_hash", DataTypes.StringType)
            .add("adapter_config", DataTypes.StringType)
            .add("num_tensors", DataTypes.IntegerType)
            .add("name", DataTypes.StringType)
            .add("dtype", DataTypes.StringType)
            .add("shape", DataTypes.createArrayType(DataTypes.LongType, false))
            .add("data", DataTypes.BinaryType);

    private SavedModel() {}

    /** Writes a model. */
    public static final class Writer extends MLWriter {

        private final Params model;
        private final FittedAdapter fitted;

        public Writer(Params model, FittedAdapter fitted) {
            this.model = model;
            this.fitted = fitted;
        }

        @Override
        public void saveImpl(String path) {
            DefaultParamsWriter.saveMetadata(model, path, sparkSession());
            List<Row> rows = fitted.adapter().tensors().stream().map(this::row).toList();
            sparkSession().createDataFrame(rows, SCHEMA).coalesce(1).write().parquet(new Path(path, DATA).toString());
        }

        private Row row(NamedTensor tensor) {
            Adapter adapter = fitted.adapter();
            return RowFactory.create(
                    fitted.runId(),
                    fitted.adapterId(),
                    adapter.baseModelNameOrPath(),
                    fitted.fingerprint(),
                    fitted.tokenizerHash(),
                    AdapterConfigJson.write(adapter.config()),
                    adapter.tensors().size(),
                    tensor.name(),
                    tensor.dtype().name(),
                    Arrays.stream(tensor.shape()).boxed().toArray(Long[]::new),
                    tensor.data());
        }
    }

    /**
     * Reads a model.
     *
     * @param <M> its class
     */
    public static final class Reader<M extends Params> extends MLReader<M> {

        private final Class<M> kind;
        private final BiFunction<String, FittedAdapter, M> make;

        public Reader(Class<M> kind, BiFunction<String, FittedAdapter, M> make) {
            this.kind = kind;
            this.make = make;
        }

        @Override
        public M load(String path) {
            DefaultParamsReader.Metadata metadata =
                    DefaultParamsReader.loadMetadata(path, sparkSession(), kind.getName());
            M model = make.apply(metadata.uid(), fitted(path));
            metadata.getAndSetParams(model, metadata.getAndSetParams$default$2());
            return model;
        }

        private FittedAdapter fitted(String path) {
            List<Row> rows =
                    TensorRows.collect(sparkSession().read().schema(SCHEMA).parquet(new Path(path, DATA).toString()));
            int wanted = rows.isEmpty() ? 1 : rows.get(0).<Integer>getAs("num_tensors");
            if (rows.size() != wanted) {
                throw MlErrors.modelUnreadable(path, rows.size() + " of its tensors are there");
            }
            Row any = rows.get(0);
            Adapter adapter = new Adapter(
                    AdapterConfigJson.read(any.getAs("adapter_config")),
                    any.getAs("base_model"),
                    rows.stream().map(TensorRows::tensor).toList());
            return new FittedAdapter(
                    any.getAs("run_id"),
                    any.getAs("adapter_id"),
                    any.getAs("base_model_fingerprint"),
                    any.getAs("tokenizer_hash"),
                    adapter);
        }
    }
}
