// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CpuAttentionTest {

    /** Operands of one call on poisoned memory, rows strided, results not-a-number until written. */
    private static final class Call implements AutoCloseable {
        final Device device = TestDevice.open();
        final Attention.Settings settings;
        final Attention.Sequences sequences;
        final Tensor q;
        final Tensor k;
        final Tensor v;
        final Tensor dOut;
        final Tensor out;
        final Tensor logSumExp;
        final Tensor dq;
        final Tensor dk;
        final Tensor dv;

        Call(DType dtype, Attention.Settings settings, int[] queryStarts, int[] keyStarts) {
            this(dtype, settings, queryStarts, keyStarts, false);
        }

        /** @param aligned rows begin at multiples of 16 bytes, where a GPU has other kernels */
        Call(DType dtype, Attention.Settings settings, int[] queryStarts, int[] keyStarts, boolean aligned) {
            this.settings = settings;
            sequences = new Attention.Sequences(queryStarts, keyStarts, null, null);
            Random random = new Random(17);
            int queries = queryStarts[queryStarts.length - 1];
            int keys = keyStarts[keyStarts.length - 1];
            int queryCols = settings.heads() * settings.headDim();
            int keyCols = settings.kvHeads() * settings.headDim();
            q = TestMatrix.random(device, dtype, queries, queryCols, aligned ? 8 : 3, random);
            k = TestMatrix.random(device, dtype, keys, keyCols, aligned ? 16 : 5, random);
            v = TestMatrix.random(device, dtype, keys, keyCols, aligned ? 8 : 1, random);
            dOut = TestMatrix.random(device, dtype, queries, queryCols, 0, random);
            out = TestMatrix.poisoned(device, dtype, queries, queryCols, aligned ? 8 : 2);
            logSumExp = TestMatrix.poisoned(device, DType.F32, settings.heads(), queries, 0);
            dq = TestMatrix.poisoned(device, dtype, queries, queryCols, aligned ? 24 : 7);
            dk = TestMatrix.poisoned(device, dtype, keys, keyCols, 0);
            dv = TestMatrix.poisoned(device, dtype, keys, keyCols, aligned ? 8 : 1);
        }

        Call forward() {
            device.ops().attention().forward(q, k, v, sequences, settings, out, logSumExp);
            return this;
        }

        Call backward() {
            device.ops().attention().backward(dOut, q, k, v, out, logSumExp, sequences, settings, dq, dk, dv);
            return this;
        }

        ReferenceAttention reference() {
            return new ReferenceAttention(
                    TestMatrix.read(q),
                    TestMatrix.read(k),
                    TestMatrix.read(v),
                    TestMatrix.read(dOut),
                    sequences,
                    settings);
        }

        @Override
        public void close() {
            device.close();
        }
    }

    private static void check(DType dtype, Attention.Settings settings, int[] queryStarts, int[] keyStarts) {
        double tolerance = dtype == DType.F32 ? 2e-6 : TestMatrix.tolerance(dtype, 1e-2);
        check(new Call(dtype, settings, queryStarts, keyStarts), tolerance);
    }

    private static void check(Call made, double tolerance) {
        try (Call call = made.forward().backward()) {
            ReferenceAttention expected = call.reference();
            TestMatrix.assertClose(call.out, expected.out, tolerance);
            // F32 whatever the inputs' type
            TestMatrix.assertClose(call.logSumExp, expected.logSumExp, 2e-6);
            TestMatrix.assertClose(call.dq, expected.dq, tolerance);
            TestMatrix.assertClose(call.dk, expected.dk, tolerance);
            TestMatrix.assertClose(call.dv, expected.dv, tolerance);
            TestMatrix.assertGapsUntouched(call.out);
            TestMatrix.assertGapsUntouched(call.dq);
            TestMatrix.assertGapsUntouched(call.dv);
        }
    }

    @ParameterizedTest
    @CsvSource({
        // heads, kvHeads, headDim, window, softCap
        "9, 3, 64, 0, 0",
        "4, 4, 16, 0, 0",
        "8, 1, 32, 0, 0",
        "2, 1, 80, 0, 0",
        "14, 2, 8, 0, 0",
        "4, 2, 64, 50, 0",
        "4, 2, 32, 2, 0",
        "2, 2, 64, 200, 30",
        "3, 1, 24, 0, 5",
        "1, 1, 5, 3, 0",
        "2, 1, 96, 70, 0",
        "2, 1, 256, 60, 50",
        "1, 1, 140, 0, 0"
    })
    void sequencesOfAllLengthsAgreeWithDoublePrecision(int heads, int kvHeads, int dim, int window, float softCap) {
        var settings = new Attention.Settings(heads, kvHeads, dim, (float) (1 / Math.sqrt(dim)), window, softCap);
        int[] starts = {0, 1, 8, 8, 140, 410, 411};
        check(DType.F32, settings, starts, starts);
        check(DType.BF16, settings, starts, starts);
        check(DType.F16, settings, starts, starts);
    }

    @ParameterizedTest
    @CsvSource({
        // heads, kvHeads, headDim, window, softCap
        "6, 2, 64, 0, 0",
        "4, 2, 128, 0, 0",
        "2, 1, 128, 100, 0",
        "2, 2, 64, 40, 15",
        "3, 1, 128, 0, 20",
        "4, 2, 256, 0, 0",
        "2, 1, 256, 100, 50"
    })
    void alignedSequencesOfAllLengthsAgreeWithDoublePrecision(
            int heads, int kvHeads, int dim, int window, float softCap) {
        var settings = new Attention.Settings(heads, kvHeads, dim, (float) (1 / Math.sqrt(dim)), window, softCap);
        int[] starts = {0, 1, 64, 64, 129, 130, 131, 134, 394, 395, 460, 461, 462, 463};
        check(new Call(DType.BF16, settings, starts, starts, true), 1e-2);
        check(new Call(DType.BF16, settings, new int[] {0, 3, 4, 74}, new int[] {0, 200, 329, 629}, true), 1e-2);
        check(new Call(DType.F16, settings, starts, starts, true), 1.25e-3);
    }

    /** What a GPU keeps for the sums of dQ must do for the most sequences that so many tokens can be. */
    @Test
    void sequencesOfATokenOrTwoAgreeWithDoublePrecision() {
        int[] starts = new int[200];
        for (int i = 1; i < starts.length; i++) {
            starts[i] = starts[i - 1] + 1 + i % 2;
        }
        var settings = new Attention.Settings(2, 1, 128, 0.1f, 0, 0f);
        check(new Call(DType.BF16, settings, starts, starts, true), 1e-2);
    }

    @Test
    void aLongSequenceIsCutIntoItemsThatAgree() {
        var settings = new Attention.Settings(3, 1, 16, 0.25f, 0, 0f);
        check(DType.F32, settings, new int[] {0, 1100}, new int[] {0, 1100});
        var windowed = new Attention.Settings(2, 1, 16, 0.25f, 300, 0f);
        check(DType.F32, windowed, new int[] {0, 1100}, new int[] {0, 1100});
    }

    @Test
    void randomShapesAgree() {
        Random random = new Random(23);
        for (int round = 0; round < 25; round++) {
            int kvHeads = 1 + random.nextInt(3);
            int heads = kvHeads * (1 + random.nextInt(5));
            int dim = 1 + random.nextInt(70);
            int window = random.nextBoolean() ? 0 : 1 + random.nextInt(150);
            float cap = random.nextInt(4) == 0 ? 10f : 0f;
            int sequences = 1 + random.nextInt(4);
            int[] queryStarts = new int[sequences + 1];
            int[] keyStarts = new int[sequences + 1];
            for (int s = 0; s < sequences; s++) {
                int n = random.nextInt(200);
                queryStarts[s + 1] = queryStarts[s] + n;
                keyStarts[s + 1] = keyStarts[s] + n + random.nextInt(100);
            }
            var settings = new Attention.Settings(heads, kvHeads, dim, (float) (1 / Math.sqrt(dim)), window, cap);
            check(round % 2 == 0 ? DType.F32 : DType.BF16, settings, queryStarts, keyStarts);
        }
    }

    @ParameterizedTest
    @CsvSource({"F32, 2e-6", "BF16, 1e-2", "F16, 1.25e-3"})
    void oneQueryAgainstCachedKeys(DType dtype, double tolerance) {
        var settings = new Attention.Settings(9, 3, 64, 0.125f, 0, 0f);
        try (Call call = new Call(dtype, settings, new int[] {0, 1, 2, 5}, new int[] {0, 700, 701, 850}).forward()) {
            TestMatrix.assertClose(call.out, call.reference().out, tolerance);
        }
    }

    @Test
    void anotherSequencesNotANumbersDoNotSpread() {
        var settings = new Attention.Settings(3, 1, 64, 0.125f, 0, 0f);
        int[] starts = {0, 70, 140};
        for (DType dtype : new DType[] {DType.F32, DType.BF16, DType.F16}) {
            try (Call call = new Call(dtype, settings, starts, starts)) {
                float[] poison = new float[64];
                java.util.Arrays.fill(poison, Float.NaN);
                for (int row = 70; row < 140; row++) {
                    Rows.store(poison, 0, 64, call.k, row, 0);
                    Rows.store(poison, 0, 64, call.v, row, 0);
                }
                call.forward().backward();
                assertFinite(call.out.rowRange(0, 70));
                assertFinite(call.dq.rowRange(0, 70));
                assertFinite(call.dk.rowRange(0, 70));
                // and they do show where they belong
                assertThat(TestMatrix.read(call.out)[139][0]).isNaN();
            }
        }
    }

    private static void assertFinite(Tensor tensor) {
        for (double[] row : TestMatrix.read(tensor)) {
            for (double value : row) {
                assertThat(value).isFinite();
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"9, 3, 64, false", "9, 3, 64, true", "4, 1, 128, true", "2, 1, 256, true"})
    void theSameCallGivesTheSameBits(int heads, int kvHeads, int dim, boolean aligned) {
        var settings = new Attention.Settings(heads, kvHeads, dim, 0.125f, 0, 0f);
        int[] starts = {0, 300, 650, 700};
        int[] first = null;
        for (int i = 0; i < 4; i++) {
            try (Call call = new Call(DType.BF16, settings, starts, starts, aligned)
                    .forward()
                    .backward()) {
                int[] bits = java.util.stream.Stream.of(call.out, call.logSumExp, call.dq, call.dk, call.dv)
                        .flatMapToInt(tensor -> java.util.Arrays.stream(TestMatrix.bits(tensor)))
                        .toArray();
                first = first == null ? bits : first;
                assertThat(bits).isEqualTo(first);
            }
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        var settings = new Attention.Settings(2, 1, 8, 1f, 0, 0f);
        int[] starts = {0, 4};
        try (Call call = new Call(DType.F32, settings, starts, starts)) {
            var wrong = new Attention.Settings(3, 1, 8, 1f, 0, 0f);
            Attention attention = call.device.ops().attention();
            assertThatThrownBy(() ->
                            attention.forward(call.q, call.k, call.v, call.sequences, wrong, call.out, call.logSumExp))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith(
                            "attention of q [4, 16] F32, k [4, 8] F32, v [4, 8] F32 with Settings[heads=3");
            var fewerKeys = new Attention.Sequences(new int[] {0, 4}, new int[] {0, 3}, null, null);
            assertThatThrownBy(() ->
                            attention.forward(call.q, call.k, call.v, fewerKeys, settings, call.out, call.logSumExp))
                    .hasMessage("query starts [0, 4] and key starts [0, 3] don't fit 4 and 4 rows");
            Tensor integers = TestMatrix.poisoned(call.device, DType.I32, 4, 16, 0);
            assertThatThrownBy(() -> attention.forward(
                            integers, call.k, call.v, call.sequences, settings, call.out, call.logSumExp))
                    .isInstanceOf(QLoraException.class)
                    .hasMessageContaining("QLORA-K006");
        }
    }
}
