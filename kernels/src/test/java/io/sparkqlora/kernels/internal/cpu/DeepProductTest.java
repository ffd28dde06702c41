// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Products in pieces against float64, whatever the processor's own choice. */
@Tag(TestDevice.CPU_ONLY)
class DeepProductTest {

    private static final float ALPHA = 0.25f;

    @ParameterizedTest
    @CsvSource({
        // rows, inner, columns, transposes, depth
        "7, 100, 9, false, false, 32",
        "33, 128, 70, false, true, 32",
        "20, 70, 300, true, false, 64",
        "3, 65, 5, true, true, 64",
        "4, 50, 5, false, false, 64",
    })
    void agreesWithDoublePrecision(int m, int k, int n, boolean ta, boolean tb, int depth) {
        Random random = new Random(4);
        try (Device device = TestDevice.open();
                Products products = new Products()) {
            Tensor a = TestMatrix.random(device, DType.BF16, ta ? k : m, ta ? m : k, 3, random);
            Tensor b = TestMatrix.random(device, DType.BF16, tb ? n : k, tb ? k : n, 5, random);
            Tensor c = TestMatrix.poisoned(device, DType.BF16, m, n, 8);
            Product product = new Product(
                    m, n, k, a.dtype(), c.dtype(), ta, a.rowStride(), tb, b.rowStride(), c.rowStride(), ALPHA, 0f);
            new DeepProduct(products, product, depth).run(a.address(), b.address(), c.address());
            double[][] left = ta ? TestMatrix.transpose(TestMatrix.read(a)) : TestMatrix.read(a);
            double[][] right = tb ? TestMatrix.transpose(TestMatrix.read(b)) : TestMatrix.read(b);
            TestMatrix.assertClose(c, TestMatrix.product(left, right, ALPHA, null), 3e-3);
            TestMatrix.assertGapsUntouched(c);
        }
    }
}
