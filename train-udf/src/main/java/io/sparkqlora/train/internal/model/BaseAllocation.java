// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Int8Matrix;
import io.sparkqlora.kernels.PlanningDevice;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.OptionErrors;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.BaseWeight;
import io.sparkqlora.train.internal.linear.GroupSpec;
import io.sparkqlora.train.internal.linear.LinearGroup;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.BaseModel.DecoderLayer;
import io.sparkqlora.train.internal.model.ModelLayout.NormSpec;
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
        List<DecoderLayer> layers =
                layout.layers().stream().map(layer -> layer(layer, linear)).toList();
        return around(layers, layout, null);
    }

    /**
     * The part of the base that one of {@code ranks} keeps, its contents undefined.
     *
     * @param images for layers that are gathered
     */
    public BaseModel takeShard(ModelLayout layout, int ranks, Arena images) {
        long layerBytes =
                layout.layers().stream().mapToLong(this::quantizedBytes).max().orElseThrow();
        LayerShards shards =
                LayerShards.take(images, linear, layerBytes, layout.layers().size(), ranks);
        List<DecoderLayer> layers = layout.layers().stream()
                .map(layer -> layer(layer, Arena.within(shards.image(layer.index()))))
                .toList();
        return around(layers, layout, shards);
    }

    private BaseModel around(List<DecoderLayer> layers, ModelLayout layout, LayerShards shards) {
        BaseWeight.Dense head = dense(layout.lmHead(), embeddings);
        Tensor embedding = config.tieWordEmbeddings()
                ? head.weight()
                : table.take(computeType(), config.vocabSize(), config.hiddenSize());
        LinearGroup lmHead = new LinearGroup(layout.lmHead(), head, null);
        return new BaseModel(config, embedding, layers, norm(layout.finalNorm()), lmHead, shards);
    }

    /** Bytes of a layer's quantised weights, as they lie in an arena of their own. */
    private long quantizedBytes(ModelLayout.Layer layer) {
        Arena counting = new PlanningDevice().unboundedArena();
        for (GroupSpec spec : layer.groups()) {
            if (quantization.loadIn8bit() && !quantizedParts(spec).isEmpty()) {
                int8(spec.outFeatures(), spec.inFeatures(), counting);
                continue;
            }
            for (GroupSpec.Part part : quantizedParts(spec)) {
                matrix(quantization.format(), part.outFeatures(), spec.inFeatures(), counting);
            }
        }
        return counting.peakBytes();
    }

    /** @param home of its quantised weights */
    private DecoderLayer layer(ModelLayout.Layer layer, Arena home) {
        return new DecoderLayer(
                layer.index(),
                layer.norms().map(this::norm),
                group(layer.qkv(), home),
                group(layer.o(), home),
                group(layer.gateUp(), home),
                group(layer.down(), home));
    }

    private Tensor norm(NormSpec norm) {
        return linear.take(DType.F32, 1, norm.size());
    }

    private LinearGroup group(GroupSpec spec, Arena home) {
        List<GroupSpec.Part> quantized = quantizedParts(spec);
        BaseWeight weight = quantized.size() == spec.parts().size()
                ? quantized(spec, home)
                : quantized.isEmpty() ? dense(spec, linear) : mixed(spec, home);
        return new LinearGroup(spec, weight, spec.bias() ? linear.take(DType.F32, 1, spec.outFeatures()) : null);
    }

    private List<GroupSpec.Part> quantizedParts(GroupSpec spec) {
        return spec.parts().stream()
                .filter(part -> quantization.quantizes(spec.quantizable(), part.name()))
                .toList();
    }

    private BaseWeight.Dense dense(GroupSpec spec, Arena arena) {
        int width = spec.inFeatures() + adapter.width(spec);
        return new BaseWeight.Dense(Pass.matrix(arena, computeType(), spec.outFeatures(), width), spec.inFeatures());
    }

    private BaseWeight quantized(GroupSpec spec, Arena home) {
        if (quantization.loadIn8bit()) {
            return new BaseWeight.Int8(
                    int8(spec.outFeatures(), spec.inFeatures(), home), (float) quantization.llmInt8Threshold());
        }
        List<QuantizedMatrix> parts = new ArrayList<>();
        for (GroupSpec.Part part : spec.parts()) {
            parts.add(matrix(quantization.format(), part.outFeatures(), spec.inFeatures(), home));
        }
        return new BaseWeight.Quantized(parts);
    }

    /** Layers that are kept dense are not part of what ranks share, and so stand with the norms. */
    private BaseWeight mixed(GroupSpec spec, Arena home) {
        if (quantization.loadIn8bit()) {
            throw OptionErrors.partlyIn8bit(
                    spec.parts().stream().map(GroupSpec.Part::name).toList());
        }
        List<BaseWeight.Mixed.Layer> layers = new ArrayList<>();
        for (GroupSpec.Part part : spec.parts()) {
            boolean quantized = quantization.quantizes(spec.quantizable(), part.name());
            layers.add(new BaseWeight.Mixed.Layer(
                    quantized ? matrix(quantization.format(), part.outFeatures(), spec.inFeatures(), home) : null,
                    quantized ? null : linear.take(computeType(), part.outFeatures(), spec.inFeatures())));
        }
        return new BaseWeight.Mixed(layers);
    }

    /** Takes the tensors of a weight in 8 bits, their contents undefined. */
    public static Int8Matrix int8(long rows, long cols, Arena home) {
        return new Int8Matrix(home.take(DType.I8, rows, cols), home.take(DType.F32, 1, rows));
    }

    /** Takes the tensors of a weight in 4 bits, their contents undefined. */
    public static QuantizedMatrix matrix(QuantFormat format, long rows, long cols, Arena home) {
        Tensor packed = home.take(DType.U8, 1, (rows * cols + 1) / 2);
        long blocks = format.blocks(rows * cols);
        if (!format.doubleQuant()) {
            return new QuantizedMatrix(format, rows, cols, packed, home.take(DType.F32, 1, blocks), null, null);
        }
        Tensor absmax = home.take(DType.U8, 1, blocks);
        Tensor nested = home.take(DType.F32, 1, format.nestedBlocks(rows * cols));
        return new QuantizedMatrix(format, rows, cols, packed, absmax, nested, home.take(DType.F32, 1, 1));
    }

    private DType computeType() {
        return quantization.bnb4bitComputeDtype().dtype();
    }
}
