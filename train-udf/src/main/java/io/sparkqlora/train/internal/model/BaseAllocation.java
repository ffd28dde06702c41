// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.BaseWeight;
import io.sparkqlora.train.internal.linear.GroupSpec;
import io.sparkqlora.train.internal.linear.LinearGroup;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.BaseModel.DecoderLayer;
import java.util.ArrayList;
import java.util.List;

/** Takes the base's tensors from arenas without filling them; with counting arenas it says how big the base is. */
public final class BaseAllocation {

    private final ModelConfig config;
    private final QuantizationConfig quantization;
    private final AdapterLayout adapter;
    private final Arena linear;
    private final Arena embeddings;
    private final Arena table;

    /**
     * @param adapter dense weights are given room for its low-rank columns
     * @param linear for the decoder layers
     * @param embeddings for the output projection, and the token embedding that is tied to it
     * @param table for a token embedding of its own, which is only ever read by the row
     */
    public BaseAllocation(
            ModelConfig config,
            QuantizationConfig quantization,
            AdapterLayout adapter,
            Arena linear,
            Arena embeddings,
            Arena table) {
        this.config = config;
        this.quantization = quantization;
        this.adapter = adapter;
        this.linear = linear;
        this.embeddings = embeddings;
        this.table = table;
    }

    /** The base, its contents undefined. */
    public BaseModel take(ModelLayout layout) {
        List<DecoderLayer> layers = layout.layers().stream().map(this::layer).toList();
        BaseWeight.Dense head = dense(layout.lmHead(), embeddings);
        Tensor embedding = config.tieWordEmbeddings()
                ? head.weight()
                : table.take(computeType(), config.vocabSize(), config.hiddenSize());
        return new BaseModel(config, embedding, layers, norm(), new LinearGroup(layout.lmHead(), head, null));
    }

    private DecoderLayer layer(ModelLayout.Layer layer) {
        return new DecoderLayer(
                layer.index(),
                norm(),
                group(layer.qkv()),
                group(layer.o()),
                norm(),
                group(layer.gateUp()),
                group(layer.down()));
    }

    private Tensor norm() {
        return linear.take(DType.F32, 1, config.hiddenSize());
    }

    private LinearGroup group(GroupSpec spec) {
        boolean quantized = quantization.loadIn4bit() && spec.quantizable();
        BaseWeight weight = quantized ? quantized(spec) : dense(spec, linear);
        return new LinearGroup(spec, weight, spec.bias() ? linear.take(DType.F32, 1, spec.outFeatures()) : null);
    }

    private BaseWeight.Dense dense(GroupSpec spec, Arena arena) {
        int width = spec.inFeatures() + adapter.width(spec);
        return new BaseWeight.Dense(Pass.matrix(arena, computeType(), spec.outFeatures(), width), spec.inFeatures());
    }

    private BaseWeight quantized(GroupSpec spec) {
        List<QuantizedMatrix> parts = new ArrayList<>();
        for (GroupSpec.Part part : spec.parts()) {
            parts.add(matrix(part.outFeatures(), spec.inFeatures()));
        }
        return new BaseWeight.Quantized(parts);
    }

    private QuantizedMatrix matrix(long rows, long cols) {
        QuantFormat format = quantization.format();
        Tensor packed = linear.take(DType.U8, 1, (rows * cols + 1) / 2);
        long blocks = format.blocks(rows * cols);
        if (!format.doubleQuant()) {
            return new QuantizedMatrix(format, rows, cols, packed, linear.take(DType.F32, 1, blocks), null, null);
        }
        Tensor absmax = linear.take(DType.U8, 1, blocks);
        Tensor nested = linear.take(DType.F32, 1, format.nestedBlocks(rows * cols));
        return new QuantizedMatrix(format, rows, cols, packed, absmax, nested, linear.take(DType.F32, 1, 1));
    }

    private DType computeType() {
        return quantization.bnb4bitComputeDtype().dtype();
    }
}
