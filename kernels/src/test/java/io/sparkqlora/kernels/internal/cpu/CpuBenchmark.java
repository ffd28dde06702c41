// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.Matmul;
import io.sparkqlora.kernels.Tensor;
import java.util.Locale;
import java.util.Random;

/** Prints the speed of matrix products and attention at the shapes of SmolLM2-135M and 2,048 tokens (docs/PERFORMANCE.md). */
public final class CpuBenchmark {

    private static final int TOKENS = 2048;
    private static final int[][] WEIGHTS = {{576, 576}, {192, 576}, {1536, 576}, {576, 1536}};

    private final Device device = Devices.open("cpu");
    private final Random random = new Random(1);

    private CpuBenchmark() {}

    /** No arguments. */
    public static void main(String[] arguments) {
        CpuBenchmark benchmark = new CpuBenchmark();
        System.out.println(benchmark.device.name());
        for (DType dtype : new DType[] {DType.BF16, DType.F32}) {
            benchmark.products(dtype);
            benchmark.attention(dtype);
        }
        benchmark.device.close();
    }

    private void products(DType dtype) {
        for (int[] weight : WEIGHTS) {
            product(dtype, dtype, "forward", TOKENS, weight[0], weight[1], false, true, 0f);
            product(dtype, dtype, "backward", TOKENS, weight[1], weight[0], false, false, 0f);
        }
        product(dtype, dtype, "vocabulary", 512, 49152 / 6, 576, false, true, 0f);
        product(dtype, dtype, "LoRA down", TOKENS, 16, 576, false, true, 0f);
        product(dtype, dtype, "LoRA up", TOKENS, 576, 16, false, true, 1f);
        product(dtype, DType.F32, "LoRA dA", 16, 576, TOKENS, true, false, 1f);
        product(dtype, DType.F32, "LoRA dB", 576, 16, TOKENS, true, false, 1f);
    }

    private void product(DType in, DType out, String what, int m, int n, int k, boolean ta, boolean tb, float beta) {
        Tensor a = TestMatrix.random(device, in, ta ? k : m, ta ? m : k, 0, random);
        Tensor b = TestMatrix.random(device, in, tb ? n : k, tb ? k : n, 0, random);
        Tensor c = TestMatrix.random(device, out, m, n, 0, random);
        Matmul matmul = device.ops().matmul();
        double seconds = time(() -> matmul.multiply(a, ta, b, tb, 1f, beta, c));
        print(
                "%-5s %-11s %4d×%4d×%4d %8.3f ms %6.0f GFLOP/s%n",
                in, what, m, n, k, seconds * 1e3, 2e-9 * m * n * k / seconds);
        a.memory().close();
        b.memory().close();
        c.memory().close();
    }

    private void attention(DType dtype) {
        for (int sequences : new int[] {4, 1}) {
            int[] starts = new int[sequences + 1];
            for (int s = 0; s <= sequences; s++) {
                starts[s] = s * TOKENS / sequences;
            }
            attention(dtype, starts);
        }
    }

    private void attention(DType dtype, int[] starts) {
        var settings = new Attention.Settings(9, 3, 64, 0.125f, 0, 0f);
        var sequences = new Attention.Sequences(starts, starts, null, null);
        Tensor q = TestMatrix.random(device, dtype, TOKENS, 576, 0, random);
        Tensor k = TestMatrix.random(device, dtype, TOKENS, 192, 0, random);
        Tensor v = TestMatrix.random(device, dtype, TOKENS, 192, 0, random);
        Tensor dOut = TestMatrix.random(device, dtype, TOKENS, 576, 0, random);
        Tensor out = TestMatrix.poisoned(device, dtype, TOKENS, 576, 0);
        Tensor logSumExp = TestMatrix.poisoned(device, DType.F32, 9, TOKENS, 0);
        Tensor dq = TestMatrix.poisoned(device, dtype, TOKENS, 576, 0);
        Tensor dk = TestMatrix.poisoned(device, dtype, TOKENS, 192, 0);
        Tensor dv = TestMatrix.poisoned(device, dtype, TOKENS, 192, 0);
        Attention attention = device.ops().attention();
        double forward = time(() -> attention.forward(q, k, v, sequences, settings, out, logSumExp));
        double backward =
                time(() -> attention.backward(dOut, q, k, v, out, logSumExp, sequences, settings, dq, dk, dv));
        print(
                "%-5s attention, %d sequences: forward %.2f ms, backward %.2f ms%n",
                dtype, starts.length - 1, forward * 1e3, backward * 1e3);
    }

    /** Seconds of the fastest of many calls: other processes on the machine only ever slow a call down. */
    private static double time(Runnable call) {
        double best = Double.MAX_VALUE;
        long end = System.nanoTime() + 1_500_000_000L;
        for (int i = 0; i < 20 || System.nanoTime() < end; i++) {
            long start = System.nanoTime();
            call.run();
            best = Math.min(best, (System.nanoTime() - start) * 1e-9);
        }
        return best;
    }

    private static void print(String format, Object... values) {
        System.out.printf(Locale.ROOT, format, values);
    }
}
