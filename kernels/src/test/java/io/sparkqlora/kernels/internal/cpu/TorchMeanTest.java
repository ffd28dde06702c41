// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Against {@code x.mean()} of torch 2.13.0 with {@code torch.set_num_threads(1)}; the last row is a 14336×8192 weight's. */
class TorchMeanTest {

    @ParameterizedTest
    @CsvSource({
        "1, 0x3d800000",
        "2, 0x3dcf1bbc",
        "7, 0x3decef90",
        "31, 0x3dff0e95",
        "32, 0x3dfc5bdd",
        "96, 0x3dfdf5bd",
        "150, 0x3dff3291",
        "1000, 0x3dfffe74",
        "5120, 0x3dfff1fa",
        "9217, 0x3dfffbf7",
        "32768, 0x3dfffe82",
        "100001, 0x3e000005",
        "917504, 0x3dffffe7",
        "1835008, 0x3dfffff0"
    })
    void roundsAsPyTorch(int n, String expectedBits) {
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            long hash = (i * 2654435761L) & 0xffffffffL;
            x[i] = (hash >> 8) / (float) (1 << 24) * 0.125f + 0.0625f;
        }
        assertThat("0x" + Integer.toHexString(Float.floatToRawIntBits(TorchMean.of(x, n))))
                .isEqualTo(expectedBits);
    }
}
