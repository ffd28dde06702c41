// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.linear.BaseWeight;
import io.sparkqlora.train.internal.linear.GroupSpec;
import io.sparkqlora.train.internal.linear.LinearGroup;
import io.sparkqlora.train.internal.model.BaseModel.DecoderLayer;
import io.sparkqlora.train.internal.safetensors.FloatBytes;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * Fills a base from a checkpoint, a tensor at a time, through one staging buffer on the device. Weights are quantised from
 * the values that the file holds, as bitsandbytes does.
 */
public final class BaseLoader implements AutoCloseable {

    private static final long DENSE_PIECE_BYTES = 64L << 20;

    private final Device device;
    private final WeightSource source;
    private final Memory staging;

    private BaseLoader(Device device, WeightSource source, Memory staging) {
        this.device = device;
        this.source = source;
        this.staging = staging;
    }

    /**
     * Loads every weight of {@code model}.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if a weight is missing, misshapen, or of a type that is no float
     */
    public static void load(Device device, WeightSource source, BaseModel model) {
        long bytes = stagingBytes(model);
        try (BaseLoader loader = new BaseLoader(device, source, device.allocate(bytes, "reading the checkpoint"))) {
            loader.fill(model);
        }
    }

    /**
     * Size of the staging buffer: a whole weight where it is quantised, as blocks don't end with rows; a piece of it where it
     * stays dense.
     */
    public static long stagingBytes(BaseModel model) {
        long hidden = model.config().hiddenSize();
        long largest =
                Math.max(hidden * Float.BYTES, pieceBytes(model.embedding().rows() * hidden));
        largest = Math.max(largest, stagingBytes(model.lmHead()));
        for (DecoderLayer layer : model.layers()) {
            for (LinearGroup group : List.of(layer.qkv(), layer.o(), layer.gateUp(), layer.down())) {
                largest = Math.max(largest, stagingBytes(group));
            }
        }
        return largest;
    }

    private static long stagingBytes(LinearGroup group) {
        if (group.weight() instanceof BaseWeight.Quantized quantized) {
            return quantized.parts().stream()
                    .mapToLong(part -> part.size() * Float.BYTES)
                    .max()
                    .orElseThrow();
        }
        GroupSpec spec = group.spec();
        long bias = (long) spec.outFeatures() * Float.BYTES;
        return Math.max(bias, pieceBytes((long) spec.outFeatures() * spec.inFeatures()));
    }

    private static long pieceBytes(long elements) {
        return Math.min(DENSE_PIECE_BYTES, elements * Float.BYTES);
    }

    private void fill(BaseModel model) {
        if (!model.config().tieWordEmbeddings()) {
            dense("model.embed_tokens.weight", model.embedding());
        }
        for (DecoderLayer layer : model.layers()) {
            String prefix = "model.layers." + layer.index() + ".";
            dense(prefix + "input_layernorm.weight", layer.inputNorm());
            group(layer.qkv());
            group(layer.o());
            dense(prefix + "post_attention_layernorm.weight", layer.postAttentionNorm());
            group(layer.gateUp());
            group(layer.down());
        }
        dense("model.norm.weight", model.finalNorm());
        if (model.config().tieWordEmbeddings()) {
            dense(
                    "model.embed_tokens.weight",
                    ((BaseWeight.Dense) model.lmHead().weight()).weight());
        } else {
            group(model.lmHead());
        }
        device.synchronize();
    }

    private void group(LinearGroup group) {
        for (int i = 0; i < group.spec().parts().size(); i++) {
            GroupSpec.Part part = group.spec().parts().get(i);
            long from = group.spec().outStart(i);
            if (group.weight() instanceof BaseWeight.Quantized quantized) {
                quantize(part.weightName(), quantized.parts().get(i));
            } else if (group.weight() instanceof BaseWeight.Dense dense) {
                dense(part.weightName(), dense.weight().rowRange(from, from + part.outFeatures()));
            }
            if (group.bias() != null) {
                dense(part.biasName(), group.bias().colRange(from, from + part.outFeatures()));
            }
        }
    }

    private void quantize(String name, QuantizedMatrix target) {
        checkShape(name, target.rows(), target.cols());
        device.ops().quantization().quantize(stage(name, 0, target.rows(), target.cols()), target);
    }

    private void dense(String name, Tensor target) {
        checkShape(name, target.rows(), target.cols());
        long piece = Math.max(1, staging.bytes() / (target.cols() * Float.BYTES));
        for (long from = 0; from < target.rows(); from += piece) {
            long to = Math.min(target.rows(), from + piece);
            device.ops().elementwise().cast(stage(name, from, to, target.cols()), target.rowRange(from, to));
        }
    }

    /** Rows of a weight on the device, F32 or BF16. */
    private Tensor stage(String name, long from, long to, long cols) {
        ByteBuffer rows = source.readRows(name, from, to);
        DType dtype = source.info(name).dtype();
        if (dtype == DType.F16) {
            rows = ByteBuffer.wrap(FloatBytes.toF32(dtype, rows));
            dtype = DType.F32;
        }
        Tensor staged = Tensor.of(staging, dtype, to - from, cols);
        device.copyIn(rows, staged);
        return staged;
    }

    private void checkShape(String name, long rows, long cols) {
        TensorInfo info = source.info(name);
        if (info.rows() != rows || info.cols() != cols) {
            throw TrainErrors.weightShape(name, info, rows, cols);
        }
        if (info.dtype() != DType.F32 && info.dtype() != DType.BF16 && info.dtype() != DType.F16) {
            throw TrainErrors.weightType(name, info.dtype());
        }
    }

    @Override
    public void close() {
        staging.close();
    }
}
