// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.AdamW;
import io.sparkqlora.kernels.AdamW8bit;
import io.sparkqlora.kernels.AdamW8bit.Moment;
import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.GatedActivation;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;

/** Speed of the operations at the shapes of an 8B model, 8,192 tokens. Not a test: run its main. */
final class CudaBenchmark {

    private static final int TOKENS = 8192;
    private static final int HIDDEN = 4096;
    private static final int WIDE = 14336;
    private static final int SETS = 3; // of operands, so that the cache holds none

    private final Device device;
    private final Operations ops;
    private final Random random = new Random(1);

    private CudaBenchmark(Device device) {
        this.device = device;
        this.ops = device.ops();
    }

    public static void main(String[] arguments) {
        try (Device device = Devices.open("cuda")) {
            System.out.println(device.name());
            CudaBenchmark benchmark = new CudaBenchmark(device);
            benchmark.memory();
            benchmark.quantization();
            benchmark.products();
            benchmark.attention();
        }
    }

    private interface Call {
        void run(int set);
    }

    /** Microseconds a call, back to back. */
    private double time(Call call) {
        int count = 60;
        for (int i = 0; i < 2 * SETS; i++) {
            call.run(i % SETS);
        }
        device.synchronize();
        double best = Double.MAX_VALUE;
        for (int repeat = 0; repeat < 3; repeat++) {
            long start = System.nanoTime();
            for (int i = 0; i < count; i++) {
                call.run(i % SETS);
            }
            device.synchronize();
            best = Math.min(best, (System.nanoTime() - start) / 1e3 / count);
        }
        return best;
    }

    private void bytes(String what, double bytes, Call call) {
        double micros = time(call);
        System.out.printf("%-42s %9.1f us %6.2f TB/s%n", what, micros, bytes / micros / 1e6);
    }

    private void operations(String what, double operations, Call call) {
        double micros = time(call);
        System.out.printf("%-42s %9.1f us %6.0f TFLOP/s%n", what, micros, operations / micros / 1e6);
    }

    private Tensor tensor(DType dtype, long rows, long cols) {
        return Tensor.of(device.allocate(rows * cols * dtype.bytes(), "a benchmark"), dtype, rows, cols);
    }

    /** Normal numbers, repeated. */
    private Tensor filled(DType dtype, long rows, long cols) {
        Tensor out = tensor(dtype, rows, cols);
        Tensor piece = tensor(DType.F32, 1, 65521);
        ByteBuffer values = ByteBuffer.allocate(4 * 65521).order(ByteOrder.nativeOrder());
        for (int i = 0; i < 65521; i++) {
            values.putFloat((float) random.nextGaussian());
        }
        device.copyIn(values.flip(), piece);
        for (long at = 0; at < out.size(); at += piece.size()) {
            long count = Math.min(piece.size(), out.size() - at);
            Tensor part = new Tensor(out.memory(), at * dtype.bytes(), dtype, 1, count, count);
            ops.elementwise().cast(piece.colRange(0, count), part);
        }
        return out;
    }

    private Tensor[] sets(DType dtype, long rows, long cols) {
        Tensor[] sets = new Tensor[SETS];
        for (int i = 0; i < SETS; i++) {
            sets[i] = filled(dtype, rows, cols);
        }
        return sets;
    }

    private Tensor floats(float... values) {
        Tensor out = tensor(DType.F32, 1, values.length);
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.nativeOrder());
        bytes.asFloatBuffer().put(values);
        device.copyIn(bytes, out);
        return out;
    }

    private Tensor ints(int... values) {
        Tensor out = tensor(DType.I32, 1, values.length);
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.nativeOrder());
        bytes.asIntBuffer().put(values);
        device.copyIn(bytes, out);
        return out;
    }

    private void memory() {
        double size = 2.0 * TOKENS * HIDDEN;
        Tensor[] x = sets(DType.BF16, TOKENS, HIDDEN);
        Tensor[] y = sets(DType.BF16, TOKENS, HIDDEN);
        Tensor[] z = sets(DType.BF16, TOKENS, HIDDEN);
        Tensor[] f = sets(DType.F32, TOKENS, HIDDEN);
        Tensor weight = filled(DType.BF16, 1, HIDDEN);
        Tensor rstd = tensor(DType.F32, 1, TOKENS);
        bytes("cast bf16 to f32", 3 * size, i -> ops.elementwise().cast(x[i], f[i]));
        bytes("add", 3 * size, i -> ops.elementwise().add(x[i], y[i], z[i]));
        bytes("scale", 2 * size, i -> ops.elementwise().scale(x[i], 0.5f, y[i]));
        bytes("add bias", 2 * size, i -> ops.elementwise().addBias(x[i], weight));
        bytes("zero", size, i -> ops.elementwise().zero(z[i]));
        bytes("RMSNorm forward", 2 * size, i -> ops.rmsNorm().forward(x[i], weight, 0f, 1e-5f, y[i], rstd));
        bytes("RMSNorm backward with residual", 4 * size, i -> ops.rmsNorm()
                .backward(y[i], x[i], weight, 0f, rstd, z[i], z[i], null));
        Tensor stream = tensor(DType.I64, 1, 1);
        ops.elementwise().zero(stream);
        bytes("dropout", 2 * size, i -> ops.dropout().apply(x[i], 0.05f, 1, stream, i, 0, y[i]));
        int[] positions = new int[TOKENS];
        for (int i = 0; i < TOKENS; i++) {
            positions[i] = i % 2048;
        }
        Tensor at = ints(positions);
        Tensor table = filled(DType.F32, 2048, 64);
        bytes("rope, 32 heads of 128", 2 * size, i -> ops.rope().apply(x[i], at, table, table, 128, false));
        bytes("gather", 2 * size, i -> ops.rowSelect().gather(x[i], at, 1f, y[i]));
        Tensor sum = tensor(DType.F64, 1, 1);
        Tensor norm = tensor(DType.F32, 1, 2);
        bytes("sum of squares, f32", 2 * size, i -> ops.gradientClip().sumOfSquares(f[i].reshape(1, f[i].size()), sum));
        ops.gradientClip().clip(sum, 1f, norm);
        Tensor[] g = sets(DType.F32, TOKENS, HIDDEN);
        Tensor m = f[1];
        Tensor v = filled(DType.F32, TOKENS, HIDDEN);
        ops.elementwise().zero(v);
        AdamW.Settings settings = new AdamW.Settings(1e-4, 0.9, 0.999, 1e-8, 0, 3);
        Tensor factors = floats(settings.factors());
        bytes("AdamW, f32", 14 * size, i -> ops.adamW().update(f[0], g[i], m, v, norm, factors));
        adamW8bit(f[0], g, norm, factors);
        double wide = 2.0 * TOKENS * WIDE;
        Tensor[] gate = sets(DType.BF16, TOKENS, 2L * WIDE);
        Tensor[] out = sets(DType.BF16, TOKENS, WIDE);
        GatedActivation gated = ops.gatedActivation();
        bytes(
                "SwiGLU forward",
                3 * wide,
                i -> gated.forward(
                        gate[i].colRange(0, WIDE),
                        gate[i].colRange(WIDE, 2 * WIDE),
                        GatedActivation.Kind.SILU,
                        out[i]));
        bytes(
                "SwiGLU backward",
                5 * wide,
                i -> gated.backward(
                        out[i],
                        gate[i].colRange(0, WIDE),
                        gate[i].colRange(WIDE, 2 * WIDE),
                        GatedActivation.Kind.SILU,
                        gate[i].colRange(0, WIDE),
                        gate[i].colRange(WIDE, 2 * WIDE),
                        null));
        int vocabulary = 128256;
        Tensor[] logits = sets(DType.BF16, 1024, vocabulary);
        Tensor labels = ints(new int[1024]);
        Tensor losses = tensor(DType.F32, 1, 1024);
        bytes("cross-entropy forward", 2.0 * 1024 * vocabulary, i -> ops.crossEntropy()
                .forward(logits[i], labels, 0f, losses));
        bytes("cross-entropy with gradient", 4.0 * 1024 * vocabulary, i -> ops.crossEntropy()
                .forwardBackward(logits[i], labels, 0f, 0f, 1e-3f, losses));
    }

    private QuantizedMatrix quantized(QuantFormat format, long rows, long cols) {
        long size = rows * cols;
        return new QuantizedMatrix(
                format,
                rows,
                cols,
                tensor(DType.U8, 1, size / 2),
                tensor(format.doubleQuant() ? DType.U8 : DType.F32, 1, format.blocks(size)),
                format.doubleQuant() ? tensor(DType.F32, 1, format.nestedBlocks(size)) : null,
                format.doubleQuant() ? tensor(DType.F32, 1, 1) : null);
    }

    private void quantization() {
        long size = (long) WIDE * HIDDEN;
        Tensor source = filled(DType.BF16, WIDE, HIDDEN);
        for (boolean nested : new boolean[] {true, false}) {
            QuantFormat format = new QuantFormat(QuantFormat.Type.NF4, 64, nested);
            QuantizedMatrix[] q = new QuantizedMatrix[SETS];
            Tensor[] out = sets(DType.BF16, WIDE, HIDDEN);
            for (int i = 0; i < SETS; i++) {
                q[i] = quantized(format, WIDE, HIDDEN);
                ops.quantization().quantize(source, q[i]);
            }
            String name = nested ? " NF4 double quant" : " NF4";
            bytes("dequantise 14336x4096" + name, format.bytes(size) + 2.0 * size, i -> ops.quantization()
                    .dequantize(q[i], out[i]));
            bytes("quantise 14336x4096" + name, format.bytes(size) + 2.0 * size, i -> ops.quantization()
                    .quantize(source, q[i]));
        }
        int8(source);
    }

    private void int8(Tensor source) {
        Tensor[] codes = new Tensor[SETS];
        Tensor[] out = sets(DType.BF16, WIDE, HIDDEN);
        Tensor absmax = tensor(DType.F32, 1, WIDE);
        for (int i = 0; i < SETS; i++) {
            codes[i] = tensor(DType.I8, WIDE, HIDDEN);
            ops.vectorwiseInt8().quantize(source, codes[i], absmax);
        }
        bytes("dequantise 14336x4096 int8", 3.0 * source.size(), i -> ops.vectorwiseInt8()
                .dequantize(codes[i], absmax, out[i]));
    }

    private void products() {
        int rank = 16;
        Tensor[] x = sets(DType.BF16, TOKENS, HIDDEN);
        Tensor[] y = sets(DType.BF16, TOKENS, WIDE);
        Tensor[] w = sets(DType.BF16, WIDE, HIDDEN);
        Tensor a = filled(DType.BF16, rank, HIDDEN);
        Tensor b = filled(DType.BF16, WIDE, rank);
        Tensor t = filled(DType.BF16, TOKENS, rank);
        Tensor da = tensor(DType.F32, rank, HIDDEN);
        Tensor db = tensor(DType.F32, WIDE, rank);
        double whole = 2.0 * TOKENS * HIDDEN * WIDE;
        operations("product nt 8192x14336x4096", whole, i -> ops.matmul().linear(x[i], w[i], y[i]));
        operations("product nn 8192x4096x14336", whole, i -> ops.matmul()
                .multiply(y[i], false, w[i], false, 1f, 0f, x[i]));
        operations("the same, beta = 1 (general kernel)", whole, i -> ops.matmul()
                .multiply(y[i], false, w[i], false, 1f, 1f, x[i]));
        double size = 2.0 * TOKENS;
        bytes("x A', r 16", size * HIDDEN, i -> ops.matmul().linear(x[i], a, t));
        bytes("y += t B', r 16", 2 * size * WIDE, i -> ops.matmul().multiply(t, false, b, true, 1f, 1f, y[i]));
        bytes("dy B, r 16", size * WIDE, i -> ops.matmul().multiply(y[i], false, b, false, 1f, 0f, t));
        bytes("dA = dt' x, r 16", size * HIDDEN, i -> ops.matmul().multiply(t, true, x[i], false, 1f, 1f, da));
        bytes("dB = dy' t, r 16", size * WIDE, i -> ops.matmul().multiply(y[i], true, t, false, 1f, 1f, db));
    }

    private void adamW8bit(Tensor parameter, Tensor[] gradients, Tensor norm, Tensor factors) {
        long n = parameter.size();
        int count = Math.toIntExact(n / AdamW8bit.BLOCK_SIZE);
        int[] places = new int[2 * count];
        for (int i = 0; i < count; i++) {
            places[2 * i] = i * AdamW8bit.BLOCK_SIZE;
            places[2 * i + 1] = AdamW8bit.BLOCK_SIZE;
        }
        Tensor blocks = ints(places).reshape(count, 2);
        Moment m = moment(n, count);
        Moment v = moment(n, count);
        Tensor flat = parameter.reshape(1, n);
        bytes("AdamW, 8 bits", 16.0 * n, i -> ops.adamW8bit()
                .update(flat, gradients[i].reshape(1, n), m, v, blocks, norm, factors));
    }

    private Moment moment(long elements, long blocks) {
        Tensor codes = tensor(DType.U8, 1, elements);
        Tensor absmax = tensor(DType.F32, 1, blocks);
        device.copyIn(ByteBuffer.allocate(Math.toIntExact(elements)), codes);
        ops.elementwise().zero(absmax);
        return new Moment(codes, absmax);
    }

    private void attention() {
        int heads = 32;
        int kvHeads = 8;
        Attention.Settings settings = new Attention.Settings(heads, kvHeads, 128, 0.088f, 0, 0f);
        Tensor[] q = sets(DType.BF16, TOKENS, HIDDEN);
        Tensor[] k = sets(DType.BF16, TOKENS, 1024);
        Tensor out = tensor(DType.BF16, TOKENS, HIDDEN);
        Tensor dq = tensor(DType.BF16, TOKENS, HIDDEN);
        Tensor dk = tensor(DType.BF16, TOKENS, 1024);
        Tensor dv = tensor(DType.BF16, TOKENS, 1024);
        Tensor lse = tensor(DType.F32, heads, TOKENS);
        int[] starts = {0, 2048, 4096, 6144, 8192};
        Attention.Sequences sequences = new Attention.Sequences(starts, starts, ints(starts), ints(starts));
        double operations = 4 * 4.0 * 2048 * 2048 / 2 * 128 * heads;
        operations("attention forward 4x2048", operations, i -> ops.attention()
                .forward(q[i], k[i], k[(i + 1) % SETS], sequences, settings, out, lse));
        operations("attention backward 4x2048", 2.5 * operations, i -> ops.attention()
                .backward(out, q[i], k[i], k[(i + 1) % SETS], out, lse, sequences, settings, dq, dk, dv));
    }
}
