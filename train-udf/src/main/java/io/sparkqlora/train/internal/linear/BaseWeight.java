// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Int8Input;
import io.sparkqlora.kernels.Int8Matrix;
import io.sparkqlora.kernels.LoraLinear;
import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import java.util.List;

/** The frozen weight of a group of linear layers, [outFeatures, inFeatures]. */
public sealed interface BaseWeight {

    /** Of {@link #eachPiece}. */
    long PIECE_BYTES = 64L << 20;

    /**
     * {@code y = x·Wᵀ + t·Bᵀ}; see {@link LoraLinear}. Scratch is taken from the top of the arena, for the caller to release.
     *
     * @param lora the adapter, or null for the base alone
     */
    void forward(Pass pass, Tensor x, LoraGroup lora, Tensor t, Tensor y);

    /**
     * {@code dt = scaling · dy·B}, {@code dB += dyᵀ·t} and {@code dx = dy·W + dt·A}.
     *
     * @param lora the adapter, or null for the base alone
     * @param a its {@code A}, or null to leave the low-rank part out of {@code dx}
     */
    void backward(Pass pass, Tensor dy, Tensor t, LoraGroup lora, TensorStack a, Tensor dx);

    /**
     * The weight for several products one after another: dequantised into the arena, for the caller to release, where each would
     * dequantise it as a whole otherwise.
     *
     * @param width columns of the low-rank activations
     */
    BaseWeight held(Pass pass, int width);

    /** One of the group's layers, its rows being {@code from} to {@code to} of all. */
    BaseWeight layer(long from, long to);

    /** Has a layer's rows copied to the arena in F32, as many at a time as are to be at once. */
    void eachPiece(Pass pass, GroupSpec spec, int part, Piece body);

    /** What to do with rows of a layer, {@code from} being the first. */
    @FunctionalInterface
    interface Piece {
        void run(long from, Tensor rows);
    }

    /** Writes rows of the group's weight, from {@code from} to {@code to}. */
    @FunctionalInterface
    interface Filling {
        void fill(long from, long to, Tensor out);
    }

    /** A layer's rows, some megabytes at a time. */
    private static void inPieces(Pass pass, GroupSpec spec, int part, Filling filling, Piece body) {
        long start = spec.outStart(part);
        long rows = spec.parts().get(part).outFeatures();
        long step = Math.max(1, PIECE_BYTES / ((long) spec.inFeatures() * Float.BYTES));
        long mark = pass.arena().mark();
        Tensor scratch = pass.arena().take(DType.F32, Math.min(rows, step), spec.inFeatures());
        for (long from = 0; from < rows; from += step) {
            long to = Math.min(rows, from + step);
            Tensor piece = scratch.rowRange(0, to - from);
            filling.fill(start + from, start + to, piece);
            body.run(from, piece);
        }
        pass.arena().release(mark);
    }

    /**
     * Kept as it is multiplied.
     *
     * @param storage [outFeatures, inFeatures + the most extra columns ever asked for]
     * @param inFeatures columns of the weight itself
     */
    record Dense(Tensor storage, int inFeatures) implements BaseWeight {

        @Override
        public void forward(Pass pass, Tensor x, LoraGroup lora, Tensor t, Tensor y) {
            if (lora == null) {
                pass.ops().matmul().linear(x, weight(), y);
            } else {
                pass.ops().loraLinear().forward(x, with(lora), t, lora.updates(), y);
            }
        }

        @Override
        public void backward(Pass pass, Tensor dy, Tensor t, LoraGroup lora, TensorStack a, Tensor dx) {
            if (lora == null) {
                pass.ops().matmul().multiply(dy, false, weight(), false, 1f, 0f, dx);
            } else {
                pass.ops().loraLinear().backward(dy, with(lora), t, lora.updates(), lora.scaling(), a, dx);
            }
        }

        @Override
        public BaseWeight held(Pass pass, int width) {
            return this;
        }

        @Override
        public BaseWeight layer(long from, long to) {
            return new Dense(storage.rowRange(from, to), inFeatures);
        }

        @Override
        public void eachPiece(Pass pass, GroupSpec spec, int part, Piece body) {
            BaseWeight.inPieces(
                    pass,
                    spec,
                    part,
                    (from, to, out) -> pass.ops().elementwise().cast(weight().rowRange(from, to), out),
                    body);
        }

        private Tensor with(LoraGroup lora) {
            return storage.colRange(0, inFeatures + lora.width());
        }

        /** The weight without extra columns. */
        public Tensor weight() {
            return storage.colRange(0, inFeatures);
        }
    }

    /**
     * Kept in 8 bits, in which it is multiplied forward. Backward it is dequantised.
     *
     * @param weight all layers of the group, one under the other
     * @param threshold from which on an input's element is an outlier; 0 for none
     */
    record Int8(Int8Matrix weight, float threshold) implements BaseWeight {

        @Override
        public void forward(Pass pass, Tensor x, LoraGroup lora, Tensor t, Tensor y) {
            long in = weight.cols();
            Tensor own = x.colRange(0, in);
            Int8Input input = new Int8Input(
                    Pass.matrix(pass.arena(), DType.I8, x.rows(), in),
                    pass.vector(x.rows()),
                    pass.arena().take(DType.I32, 1, in + 1));
            pass.ops().int8Linear().quantize(own, threshold, input);
            Tensor low = lora == null ? null : t;
            pass.ops().int8Linear().forward(own, input, weight, low, Quantized.updates(lora), y);
        }

        @Override
        public void backward(Pass pass, Tensor dy, Tensor t, LoraGroup lora, TensorStack a, Tensor dx) {
            Tensor low = lora == null ? null : t;
            float scaling = lora == null ? 0f : lora.scaling();
            Tensor scratch = pass.matrix(weight.rows(), weight.cols() + (lora == null ? 0 : lora.width()));
            pass.ops().int8Linear().backward(dy, weight, scratch, low, Quantized.updates(lora), scaling, a, dx);
        }

        /** Forward takes it as it is. */
        @Override
        public BaseWeight held(Pass pass, int width) {
            return this;
        }

        @Override
        public BaseWeight layer(long from, long to) {
            return new Int8(weight.rowRange(from, to), threshold);
        }

        @Override
        public void eachPiece(Pass pass, GroupSpec spec, int part, Piece body) {
            BaseWeight.inPieces(
                    pass,
                    spec,
                    part,
                    (from, to, out) -> {
                        Int8Matrix rows = weight.rowRange(from, to);
                        pass.ops().vectorwiseInt8().dequantize(rows.codes(), rows.absmax(), out);
                    },
                    body);
        }
    }

    /** Kept in 4 bits, each layer of the group for itself, and dequantised for each product. */
    record Quantized(List<QuantizedMatrix> parts) implements BaseWeight {

        public Quantized {
            parts = List.copyOf(parts);
        }

        @Override
        public void forward(Pass pass, Tensor x, LoraGroup lora, Tensor t, Tensor y) {
            Tensor low = lora == null ? null : t;
            pass.ops().quantizedLinear().forward(x, parts, scratch(pass, lora), low, updates(lora), y);
        }

        @Override
        public void backward(Pass pass, Tensor dy, Tensor t, LoraGroup lora, TensorStack a, Tensor dx) {
            Tensor low = lora == null ? null : t;
            float scaling = lora == null ? 0f : lora.scaling();
            Tensor scratch = scratch(pass, lora);
            pass.ops().quantizedLinear().backward(dy, parts, scratch, low, updates(lora), scaling, a, dx);
        }

        @Override
        public BaseWeight held(Pass pass, int width) {
            if (!pass.device().traits().dequantizesWhole()) {
                return this;
            }
            int in = Math.toIntExact(parts.get(0).cols());
            Tensor storage = pass.matrix(rows(), (long) in + width);
            pass.ops().quantization().dequantize(parts, storage.colRange(0, in));
            return new Dense(storage, in);
        }

        @Override
        public BaseWeight layer(long from, long to) {
            long start = 0;
            for (QuantizedMatrix part : parts) {
                if (start == from && start + part.rows() == to) {
                    return new Quantized(List.of(part));
                }
                start += part.rows();
            }
            throw new IllegalArgumentException("rows " + from + "–" + to + " are no layer of " + parts.size());
        }

        /** Blocks don't end with rows, so a layer is one piece. */
        @Override
        public void eachPiece(Pass pass, GroupSpec spec, int part, Piece body) {
            QuantizedMatrix matrix = parts.get(part);
            long mark = pass.arena().mark();
            Tensor rows = pass.arena().take(DType.F32, matrix.rows(), matrix.cols());
            pass.ops().quantization().dequantize(matrix, rows);
            body.run(0, rows);
            pass.arena().release(mark);
        }

        private long rows() {
            return parts.stream().mapToLong(QuantizedMatrix::rows).sum();
        }

        private static List<Update> updates(LoraGroup lora) {
            return lora == null ? List.of() : lora.updates();
        }

        private Tensor scratch(Pass pass, LoraGroup lora) {
            return pass.matrix(rows(), parts.get(0).cols() + (lora == null ? 0 : lora.width()));
        }
    }

    /**
     * Some layers of the group in 4 bits and some as they are multiplied (llm_int8_skip_modules): put together as a dense weight
     * for each product.
     */
    record Mixed(List<Layer> layers) implements BaseWeight {

        /**
         * A layer, in one of two forms.
         *
         * @param quantized in 4 bits, or null
         * @param dense [outFeatures, inFeatures] in the compute type, or null
         */
        public record Layer(QuantizedMatrix quantized, Tensor dense) {

            long rows() {
                return quantized == null ? dense.rows() : quantized.rows();
            }

            long cols() {
                return quantized == null ? dense.cols() : quantized.cols();
            }
        }

        public Mixed {
            layers = List.copyOf(layers);
        }

        @Override
        public void forward(Pass pass, Tensor x, LoraGroup lora, Tensor t, Tensor y) {
            whole(pass, lora == null ? 0 : lora.width()).forward(pass, x, lora, t, y);
        }

        @Override
        public void backward(Pass pass, Tensor dy, Tensor t, LoraGroup lora, TensorStack a, Tensor dx) {
            whole(pass, lora == null ? 0 : lora.width()).backward(pass, dy, t, lora, a, dx);
        }

        @Override
        public BaseWeight held(Pass pass, int width) {
            return pass.device().traits().dequantizesWhole() ? whole(pass, width) : this;
        }

        @Override
        public BaseWeight layer(long from, long to) {
            Layer layer = layers.get(indexOf(from, to));
            return layer.quantized() == null
                    ? new Dense(layer.dense(), Math.toIntExact(layer.cols()))
                    : new Quantized(List.of(layer.quantized()));
        }

        private int indexOf(long from, long to) {
            long start = 0;
            for (int i = 0; i < layers.size(); i++) {
                if (start == from && start + layers.get(i).rows() == to) {
                    return i;
                }
                start += layers.get(i).rows();
            }
            throw new IllegalArgumentException("rows " + from + "–" + to + " are no layer of " + layers.size());
        }

        @Override
        public void eachPiece(Pass pass, GroupSpec spec, int part, Piece body) {
            long from = spec.outStart(part);
            BaseWeight own = layer(from, from + spec.parts().get(part).outFeatures());
            GroupSpec alone =
                    new GroupSpec(spec.inFeatures(), List.of(spec.parts().get(part)), spec.quantizable(), spec.bias());
            own.eachPiece(pass, alone, 0, body);
        }

        private Dense whole(Pass pass, int width) {
            int in = Math.toIntExact(layers.get(0).cols());
            long rows = layers.stream().mapToLong(Layer::rows).sum();
            Tensor storage = pass.matrix(rows, (long) in + width);
            long from = 0;
            for (Layer layer : layers) {
                Tensor to = storage.rowRange(from, from + layer.rows()).colRange(0, in);
                if (layer.quantized() != null) {
                    pass.ops().quantization().dequantize(layer.quantized(), to);
                } else {
                    pass.ops().elementwise().cast(layer.dense(), to);
                }
                from += layer.rows();
            }
            return new Dense(storage, in);
        }
    }
}
