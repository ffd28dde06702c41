// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.ByteSource;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Int8Matrix;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.PlanningDevice;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.Upload;
import io.sparkqlora.train.BaseLoading;
import io.sparkqlora.train.FormatErrors;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.checkpoint.Int8Weight;
import io.sparkqlora.train.internal.checkpoint.PackedWeight;
import io.sparkqlora.train.internal.checkpoint.StoredWeight;
import io.sparkqlora.train.internal.decompose.DecomposedBase;
import io.sparkqlora.train.internal.decompose.WeightStore;
import io.sparkqlora.train.internal.linear.BaseWeight;
import io.sparkqlora.train.internal.linear.GroupSpec;
import io.sparkqlora.train.internal.linear.HostCopies;
import io.sparkqlora.train.internal.linear.LinearGroup;
import io.sparkqlora.train.internal.model.BaseModel.DecoderLayer;
import io.sparkqlora.train.internal.model.ModelLayout.NormSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * Fills a base from a checkpoint through one staging buffer on the device. What is to be read is listed first, so that the
 * device can read ahead while it quantises. Weights are quantised from the values that the file holds, as bitsandbytes does; what
 * it has quantised already is copied as it is.
 */
public final class BaseLoader {

    private static final double NANOS = 1e9;
    private static final long DENSE_PIECE_BYTES = 64L << 20;
    private static final long ALIGNMENT = 256;

    private final Device device;
    private final WeightSource source;
    private final int shard;
    private final DecomposedBase decomposed;
    private final List<Part> parts = new ArrayList<>();

    private Arena room;

    private BaseLoader(Device device, WeightSource source, int shard, DecomposedBase decomposed) {
        this.device = device;
        this.source = source;
        this.shard = shard;
        this.decomposed = decomposed;
    }

    /**
     * Rows of a weight, and what becomes of them on the device.
     *
     * @param place where they go as they are; null for the staging buffer
     */
    private record Part(ByteSource bytes, Tensor place, DType dtype, long rows, long cols, Consumer<Tensor> use) {

        Part then(Runnable more) {
            return new Part(bytes, place, dtype, rows, cols, use.andThen(staged -> more.run()));
        }

        Tensor target(Memory staging) {
            return place == null ? Tensor.of(staging, dtype, rows, cols) : place;
        }
    }

    /**
     * Loads every weight of {@code model}; of a sharded one layer after layer, each whole in its image for a while.
     *
     * @param shard the part of a sharded model's layers that this rank keeps
     * @param decomposed which weights are taken apart
     * @return how much was read in which time
     * @throws io.sparkqlora.kernels.QLoraException INPUT if a weight is missing, misshapen, or of a type that is no float
     */
    public static BaseLoading load(
            Device device, WeightSource source, BaseModel model, int shard, DecomposedBase decomposed) {
        long begin = System.nanoTime();
        BaseLoader loader = new BaseLoader(device, source, shard, decomposed);
        if (model.shards() != null) {
            model.shards().clear(device);
        }
        loader.list(model);
        long stagingBytes = stagingBytes(model, decomposed);
        try (Memory staging = device.allocate(loadingBytes(model, decomposed), "reading the checkpoint");
                Upload upload =
                        device.upload(loader.parts.stream().map(Part::bytes).toList())) {
            loader.room = Arena.within(
                    Tensor.of(staging, DType.U8, 1, staging.bytes()).colRange(stagingBytes, staging.bytes()));
            for (Part part : loader.parts) {
                Tensor staged = part.target(staging);
                upload.next(staged);
                part.use.accept(staged);
            }
            device.synchronize();
        }
        long bytes = loader.parts.stream().mapToLong(part -> part.bytes.bytes()).sum();
        return new BaseLoading(bytes, (System.nanoTime() - begin) / NANOS);
    }

    /** Bytes that loading takes beside the model, for as long as it takes. */
    public static long loadingBytes(BaseModel model, DecomposedBase decomposed) {
        return stagingBytes(model, decomposed) + roomBytes(model, decomposed);
    }

    /**
     * Size of the staging buffer: a whole weight where it is quantised or taken apart, as blocks of 4 bits don't end with rows; a piece
     * of it where it stays dense.
     */
    private static long stagingBytes(BaseModel model, DecomposedBase decomposed) {
        long hidden = model.config().hiddenSize();
        long norm = Math.max(hidden, model.config().headDim()) * Float.BYTES;
        long largest = Math.max(norm, pieceBytes(model.embedding().rows() * hidden));
        for (LinearGroup group : model.groups()) {
            largest = Math.max(largest, stagingBytes(group, decomposed));
        }
        return (largest + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    private static long stagingBytes(LinearGroup group, DecomposedBase decomposed) {
        GroupSpec spec = group.spec();
        boolean dense = group.weight() instanceof BaseWeight.Dense;
        long whole = spec.parts().stream()
                .filter(part -> !dense || decomposed.touches(part.name()))
                .mapToLong(part -> (long) part.outFeatures() * spec.inFeatures() * Float.BYTES)
                .max()
                .orElse(0);
        long bias = (long) spec.outFeatures() * Float.BYTES;
        long piece = dense ? pieceBytes((long) spec.outFeatures() * spec.inFeatures()) : 0;
        return Math.max(whole, Math.max(bias, piece));
    }

    private static long roomBytes(BaseModel model, DecomposedBase decomposed) {
        long largest = 0;
        for (LinearGroup group : model.groups()) {
            for (GroupSpec.Part part : group.spec().parts()) {
                if (decomposed.touches(part.name())) {
                    Arena counting = new PlanningDevice().unboundedArena();
                    decomposed.take(
                            counting,
                            part.name(),
                            part.outFeatures(),
                            group.spec().inFeatures());
                    largest = Math.max(largest, counting.peakBytes());
                }
            }
        }
        return largest;
    }

    private static long pieceBytes(long elements) {
        return Math.min(DENSE_PIECE_BYTES, elements * Float.BYTES);
    }

    private void list(BaseModel model) {
        Operations ops = device.ops();
        ModelLayout layout = ModelLayout.of(model.config());
        if (!model.config().tieWordEmbeddings()) {
            dense(ops, ModelLayout.EMBEDDING, model.embedding());
        }
        for (DecoderLayer layer : model.layers()) {
            norms(ops, layout.layers().get(layer.index()).norms(), layer.norms());
            group(ops, layer.qkv());
            group(ops, layer.o());
            group(ops, layer.gateUp());
            group(ops, layer.down());
            if (model.shards() != null) {
                parts.add(
                        parts.remove(parts.size() - 1).then(() -> model.shards().keep(device, layer.index(), shard)));
            }
        }
        dense(ops, layout.finalNorm().name(), model.finalNorm());
        if (model.config().tieWordEmbeddings()) {
            dense(ops, ModelLayout.EMBEDDING, ((BaseWeight.Dense) model.lmHead().weight()).weight());
        } else {
            group(ops, model.lmHead());
        }
    }

    private void norms(Operations ops, LayerNorms<NormSpec> specs, LayerNorms<Tensor> weights) {
        for (int i = 0; i < specs.all().size(); i++) {
            dense(ops, specs.all().get(i).name(), weights.all().get(i));
        }
    }

    private void group(Operations ops, LinearGroup group) {
        for (int i = 0; i < group.spec().parts().size(); i++) {
            GroupSpec.Part part = group.spec().parts().get(i);
            long from = group.spec().outStart(i);
            if (group.weight() instanceof BaseWeight.Quantized quantized) {
                quantized(ops, part, quantized.parts().get(i));
            } else if (group.weight() instanceof BaseWeight.Int8 int8) {
                int8(ops, part, int8.weight().rowRange(from, from + part.outFeatures()));
            } else if (group.weight() instanceof BaseWeight.Dense dense) {
                dense(ops, part, dense.weight().rowRange(from, from + part.outFeatures()));
            } else if (group.weight() instanceof BaseWeight.Mixed mixed) {
                layer(ops, part, mixed.layers().get(i));
            }
            if (group.bias() != null) {
                dense(ops, part.biasName(), group.bias().colRange(from, from + part.outFeatures()));
            }
        }
    }

    private void layer(Operations ops, GroupSpec.Part part, BaseWeight.Mixed.Layer layer) {
        if (layer.quantized() != null) {
            quantized(ops, part, layer.quantized());
        } else {
            dense(ops, part, layer.dense());
        }
    }

    /** A weight that is read as a whole, and taken apart if it is to be. */
    private void whole(GroupSpec.Part part, long rows, long cols, WeightStore held) {
        String name = part.weightName();
        DType dtype = checked(name, rows, cols);
        Consumer<Tensor> use =
                decomposed.touches(part.name()) ? staged -> split(part.name(), staged, held) : held::store;
        parts.add(new Part(source.rows(name, 0, rows), null, dtype, rows, cols, use));
    }

    private void split(String module, Tensor staged, WeightStore held) {
        long mark = room.mark();
        DecomposedBase.Room own = decomposed.take(room, module, staged.rows(), staged.cols());
        decomposed.split(device, module, staged, own, held);
        room.release(mark);
    }

    private void quantized(Operations ops, GroupSpec.Part part, QuantizedMatrix target) {
        StoredWeight stored = stored(part.weightName(), target.rows(), target.cols());
        if (stored == null) {
            whole(part, target.rows(), target.cols(), WeightStore.of(ops, target));
        } else if (stored instanceof PackedWeight packed && packed.format().equals(target.format())) {
            packed(packed, target);
        } else {
            throw FormatErrors.heldOtherwise(part.weightName(), "as " + target.format(), stored.form());
        }
    }

    /** @return null where a weight is not stored quantised */
    private StoredWeight stored(String name, long rows, long cols) {
        return StoredWeight.find(source, name, rows, cols, "the checkpoint");
    }

    /** What is stored quantised goes where it belongs, byte for byte. */
    private void packed(PackedWeight stored, QuantizedMatrix target) {
        String name = stored.name();
        place(name, target.packed(), staged -> {});
        place(name + PackedWeight.ABSMAX, target.absmax(), staged -> {});
        if (stored.format().doubleQuant()) {
            place(
                    name + PackedWeight.NESTED_ABSMAX,
                    target.nestedAbsmax(),
                    staged -> HostCopies.write(device, stored.nestedOffset(), target.nestedOffset()));
        }
    }

    private void place(String name, Tensor target, Consumer<Tensor> then) {
        ByteSource bytes = source.rows(name, 0, source.info(name).rows());
        parts.add(new Part(bytes, target, target.dtype(), target.rows(), target.cols(), then));
    }

    private void int8(Operations ops, GroupSpec.Part part, Int8Matrix target) {
        String name = part.weightName();
        StoredWeight stored = stored(name, target.rows(), target.cols());
        if (stored == null) {
            whole(part, target.rows(), target.cols(), WeightStore.of(ops, target));
        } else if (stored instanceof Int8Weight) {
            place(name, target.codes(), staged -> {});
            place(Int8Weight.scales(name), target.absmax(), staged -> {});
        } else {
            throw FormatErrors.heldOtherwise(name, "in 8 bits", "in 4 bits");
        }
    }

    private void dense(Operations ops, GroupSpec.Part part, Tensor target) {
        if (decomposed.touches(part.name())) {
            whole(part, target.rows(), target.cols(), WeightStore.of(ops, target));
        } else {
            dense(ops, part.weightName(), target);
        }
    }

    private void dense(Operations ops, String name, Tensor target) {
        int bits = StoredWeight.bits(source, name);
        if (bits > 0) {
            throw FormatErrors.heldOtherwise(name, "dense", "in " + bits + " bits");
        }
        DType dtype = checked(name, target.rows(), target.cols());
        long piece = Math.max(1, DENSE_PIECE_BYTES / (target.cols() * Float.BYTES));
        for (long from = 0; from < target.rows(); from += piece) {
            long to = Math.min(target.rows(), from + piece);
            Tensor rows = target.rowRange(from, to);
            parts.add(new Part(
                    source.rows(name, from, to), null, dtype, to - from, target.cols(), staged -> ops.elementwise()
                            .cast(staged, rows)));
        }
    }

    private DType checked(String name, long rows, long cols) {
        TensorInfo info = source.info(name);
        if (info.rows() != rows || info.cols() != cols) {
            throw TrainErrors.weightShape(name, info, rows, cols);
        }
        if (info.dtype() != DType.F32 && info.dtype() != DType.BF16 && info.dtype() != DType.F16) {
            throw TrainErrors.weightType(name, info.dtype());
        }
        return info.dtype();
    }
}
