// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CpuMatmulTest {

    @ParameterizedTest
    @CsvSource({
        "F32, F32, 1e-6",
        "F32, BF16, 3e-3",
        "BF16, F32, 1e-6",
        "BF16, BF16, 3e-3",
        "F32, F16, 4e-4",
        "F16, F32, 1e-6",
        "F16, F16, 4e-4"
    })
    void randomShapesAgreeWithDoublePrecision(DType inputs, DType output, double tolerance) {
        Random random = new Random(11);
        for (int i = 0; i < 40; i++) {
            try (Device device = TestDevice.open()) {
                int m = 1 + random.nextInt(i % 4 == 0 ? 400 : 70);
                int n = 1 + random.nextInt(i % 4 == 1 ? 400 : 70);
                int k = 1 + random.nextInt(i % 4 == 2 ? 400 : 70);
                float beta = i % 3 == 0 ? 0f : i % 3 == 1 ? 1f : -0.5f;
                float alpha = i % 5 == 0 ? 0.25f : 1f;
                checkOne(device, m, n, k, inputs, output, alpha, beta, tolerance, random);
            }
        }
    }

    private static void checkOne(
            Device device,
            int m,
            int n,
            int k,
            DType inputs,
            DType output,
            float alpha,
            float beta,
            double tolerance,
            Random random) {
        boolean ta = random.nextBoolean();
        boolean tb = random.nextBoolean();
        Tensor a = TestMatrix.random(device, inputs, ta ? k : m, ta ? m : k, random.nextInt(9), random);
        Tensor b = TestMatrix.random(device, inputs, tb ? n : k, tb ? k : n, random.nextInt(9), random);
        int gap = random.nextInt(9);
        // with beta = 0 what c held is not read: it holds not-a-numbers
        Tensor c = beta == 0f
                ? TestMatrix.poisoned(device, output, m, n, gap)
                : TestMatrix.random(device, output, m, n, gap, random);
        double[][] expected = reference(a, ta, b, tb, alpha, beta, c);
        device.ops().matmul().multiply(a, ta, b, tb, alpha, beta, c);
        TestMatrix.assertClose(c, expected, tolerance);
        TestMatrix.assertGapsUntouched(c);
    }

    private static double[][] reference(Tensor a, boolean ta, Tensor b, boolean tb, float alpha, float beta, Tensor c) {
        double[][] left = ta ? TestMatrix.transpose(TestMatrix.read(a), (int) a.cols()) : TestMatrix.read(a);
        double[][] right = tb ? TestMatrix.read(b) : TestMatrix.transpose(TestMatrix.read(b), (int) b.cols());
        double[][] result = TestMatrix.read(c);
        for (int i = 0; i < result.length; i++) {
            for (int j = 0; j < result[i].length; j++) {
                double sum = 0;
                for (int p = 0; p < left[i].length; p++) {
                    sum += left[i][p] * right[j][p];
                }
                result[i][j] = alpha * sum + (beta == 0f ? 0 : beta * result[i][j]);
            }
        }
        return result;
    }

    @ParameterizedTest
    @CsvSource({
        // tokens, features: a layer, its adapter, the adapter's gradients
        "512, 576, 192, false, true, 0", "512, 576, 16, false, true, 0", "512, 16, 576, false, true, 0",
        "16, 512, 576, true, false, 1", "576, 512, 16, true, false, 1", "512, 192, 576, false, false, 1",
        // adapters of several layers at once, many tokens
        "2100, 200, 48, false, true, 0", "2100, 200, 96, false, true, 0", "96, 300, 2100, true, false, 1",
        // over a vocabulary
        "5, 8200, 70, false, false, 0", "70, 8200, 5, false, false, 0"
    })
    void theShapesOfATrainingStepAgree(int m, int k, int n, boolean ta, boolean tb, float beta) {
        try (Device device = TestDevice.open()) {
            double rounding = Math.max(1e-6, 3e-8 * Math.sqrt(k)); // of sums as long as that
            checkShape(device, m, k, n, ta, tb, beta, DType.F32, DType.F32, rounding);
            checkShape(device, m, k, n, ta, tb, beta, DType.BF16, DType.F32, rounding);
            checkShape(device, m, k, n, ta, tb, beta, DType.BF16, DType.BF16, 3e-3);
            checkShape(device, m, k, n, ta, tb, beta, DType.F16, DType.F32, rounding);
            checkShape(device, m, k, n, ta, tb, beta, DType.F16, DType.F16, 4e-4);
        }
    }

    /** Sizes from which on a Hopper of 132 multiprocessors takes tiles of 192 columns, and of 256. */
    @ParameterizedTest
    @CsvSource({"2176, true", "2176, false", "3264, true", "3264, false"})
    void wideTilesAgree(int n, boolean transposed) {
        try (Device device = TestDevice.open()) {
            checkShape(device, 1024, 72, n, false, transposed, 0, DType.BF16, DType.BF16, 3e-3);
        }
    }

    private static void checkShape(
            Device device, int m, int k, int n, boolean ta, boolean tb, float beta, DType in, DType out, double tol) {
        Random random = new Random(5);
        Tensor a = TestMatrix.random(device, in, ta ? k : m, ta ? m : k, 0, random);
        Tensor b = TestMatrix.random(device, in, tb ? n : k, tb ? k : n, 0, random);
        Tensor c = TestMatrix.random(device, out, m, n, 0, random);
        double[][] expected = reference(a, ta, b, tb, 1f, beta, c);
        device.ops().matmul().multiply(a, ta, b, tb, 1f, beta, c);
        TestMatrix.assertClose(c, expected, tol);
    }

    @Test
    void theSameShapesGiveTheSameBits() {
        int[] first = productBits();
        assertThat(productBits()).isEqualTo(first);
    }

    private static int[] productBits() {
        try (Device device = TestDevice.open()) {
            Random random = new Random(2);
            Tensor a = TestMatrix.random(device, DType.BF16, 700, 300, 4, random);
            Tensor b = TestMatrix.random(device, DType.BF16, 200, 300, 0, random);
            Tensor c = TestMatrix.poisoned(device, DType.F32, 700, 200, 0);
            device.ops().matmul().linear(a, b, c);
            int[] bits = TestMatrix.bits(c);
            for (int i = 0; i < 5; i++) {
                device.ops().matmul().linear(a, b, c);
                assertThat(TestMatrix.bits(c)).isEqualTo(bits);
            }
            return bits;
        }
    }

    @Test
    @Tag(TestDevice.CPU_ONLY)
    void oneDnnStartsNoThreadsOfItsOwn() throws IOException {
        try (Device device = TestDevice.open()) {
            Random random = new Random(2);
            Tensor a = TestMatrix.random(device, DType.F32, 600, 600, 0, random);
            Tensor c = TestMatrix.poisoned(device, DType.F32, 600, 600, 0);
            long before = namedThreads();
            for (int i = 0; i < 3; i++) {
                device.ops().matmul().linear(a, a, c);
            }
            assertThat(namedThreads()).isEqualTo(before);
        }
    }

    /** Native threads that the JVM did not name carry the process's name. */
    private static long namedThreads() throws IOException {
        String process = Files.readString(Path.of("/proc/self/comm"));
        try (Stream<Path> tasks = Files.list(Path.of("/proc/self/task"))) {
            return tasks.filter(task -> nameOf(task).equals(process)).count();
        }
    }

    private static String nameOf(Path task) {
        try {
            return Files.readString(task.resolve("comm"));
        } catch (IOException e) {
            return ""; // it ended meanwhile
        }
    }

    @Test
    void shapesThatDoNotFitAreRefused() {
        try (Device device = TestDevice.open()) {
            Tensor a = TestMatrix.poisoned(device, DType.F32, 4, 5, 0);
            Tensor b = TestMatrix.poisoned(device, DType.F32, 6, 7, 0);
            assertThatThrownBy(() -> device.ops().matmul().linear(a, b, a))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("[4, 5] F32 times [7, 6] F32 into [4, 5] F32");
            Tensor integers = TestMatrix.poisoned(device, DType.I32, 4, 4, 0);
            assertThatThrownBy(() -> device.ops().matmul().linear(integers, integers, integers))
                    .isInstanceOf(QLoraException.class)
                    .hasMessageContaining("QLORA-K006");
        }
    }

    @Test
    void aProductIsNotRoundedToTheOtherTypeOf16Bits() {
        try (Device device = TestDevice.open()) {
            Tensor a = TestMatrix.poisoned(device, DType.F16, 4, 4, 0);
            Tensor c = TestMatrix.poisoned(device, DType.BF16, 4, 4, 0);
            assertThatThrownBy(() -> device.ops().matmul().linear(a, a, c))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("a product of F16 is not rounded to BF16");
        }
    }

    /** A product of halves that no half holds is infinite, and one too small is zero: neither wraps round. */
    @Test
    void halvesOverflowAndUnderflowAsIeeeSays() {
        try (Device device = TestDevice.open()) {
            Tensor a = TestMatrix.poisoned(device, DType.F16, 3, 1, 0);
            Tensor b = TestMatrix.poisoned(device, DType.F16, 1, 1, 0);
            Tensor c = TestMatrix.poisoned(device, DType.F16, 3, 1, 0);
            float[][] rows = {{-256f}, {0x1p-24f}, {0x1.8p-16f}};
            for (int i = 0; i < rows.length; i++) {
                Rows.store(rows[i], 0, 1, a, i, 0);
            }
            Rows.store(new float[] {256f}, 0, 1, b, 0, 0);
            device.ops().matmul().linear(a, b, c);
            double[][] large = TestMatrix.read(c);
            Rows.store(new float[] {0x1p-8f}, 0, 1, b, 0, 0);
            device.ops().matmul().linear(a, b, c);
            double[][] small = TestMatrix.read(c);
            assertThat(large).isDeepEqualTo(new double[][] {{Double.NEGATIVE_INFINITY}, {0x1p-16}, {0x1.8p-8}});
            assertThat(small)
                    .isDeepEqualTo(new double[][] {{-1}, {0}, {0x1p-23}}); // 1.5 units of the smallest: to even
        }
    }

    @Test
    @Tag(TestDevice.CPU_ONLY)
    void whatOneDnnRefusesIsAnErrorThatSaysSo() {
        Product impossible =
                new Product(4, 4, 4, DType.F32, DType.F32, false, 2, false, 4, 4, 1f, 0f); // rows that overlap
        assertThatThrownBy(() -> OneDnnMatmul.of(impossible))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining("QLORA-K021")
                .hasMessageContaining("lda=2")
                .hasMessageContaining("set bnb_4bit_compute_dtype to float32");
    }

    @Test
    void whatLiesBetweenTheRowsOfAIsNotUsed() {
        try (Device device = TestDevice.open()) {
            Random random = new Random(4);
            for (int k : new int[] {1, 7, 8, 16, 30, 34, 42, 48, 63, 64, 68, 90, 100}) {
                Tensor a = TestMatrix.random(device, DType.BF16, 100, k, 64, random); // gaps of not-a-numbers
                Tensor b = TestMatrix.random(device, DType.BF16, 32, k, 64, random);
                Tensor c = TestMatrix.poisoned(device, DType.F32, 100, 32, 0);
                device.ops().matmul().linear(a, b, c);
                TestMatrix.assertClose(c, reference(a, false, b, true, 1f, 0f, c), 1e-6);
            }
        }
    }

    @Test
    @Tag(TestDevice.CPU_ONLY)
    void onlyTheLatestShapesAreKept() {
        try (Products products = new Products();
                NativeBuffer memory = new NativeBuffer()) {
            long address = memory.atLeast(1 << 16);
            Native.fill(address, 1 << 16, (byte) 0);
            for (int i = 0; i < 1100; i++) {
                Product product =
                        new Product(1 + i % 33, 1 + i / 33, 1, DType.F32, DType.F32, false, 1, false, 40, 40, 1f, 0f);
                products.run(product, address, address, address + (1 << 15));
            }
            assertThat(products.size()).isEqualTo(1024);
        }
    }
}
