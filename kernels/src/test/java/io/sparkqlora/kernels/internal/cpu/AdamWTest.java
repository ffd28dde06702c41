// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Offset.offset;

import io.sparkqlora.kernels.AdamW;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class AdamWTest {

    private static final Path REFERENCE = Path.of("src/test/resources/optimizer/adamw.safetensors");

    private final Device device = TestDevice.open();
    private final AdamW ops = device.ops().adamW();

    @AfterEach
    void close() {
        device.close();
    }

    private Matrix vector(float... values) {
        Matrix matrix = Matrix.contiguous(device, DType.F32, 1, values.length);
        Native.store(values, 0, values.length, matrix.tensor.address());
        return matrix;
    }

    private static float[] values(Matrix matrix) {
        float[] out = new float[(int) matrix.tensor.size()];
        Native.load(matrix.tensor.address(), out, 0, out.length);
        return out;
    }

    private Tensor factors(double lr, double beta1, double beta2, double eps, double weightDecay, long step) {
        return vector(new AdamW.Settings(lr, beta1, beta2, eps, weightDecay, step).factors()).tensor;
    }

    /**
     * The moments bit for bit, the parameters within one unit in the last place: PyTorch's square root, from MKL, is not always
     * the nearest.
     */
    @Test
    void stepsAsPyTorch() {
        SafetensorsFile file = new SafetensorsFile(REFERENCE);
        Matrix parameter = vector(file.get("parameter.0").floats());
        int n = (int) parameter.tensor.size();
        Matrix m = vector(new float[n]);
        Matrix v = vector(new float[n]);
        for (int step = 1; step <= 5; step++) {
            float norm = file.get("norm." + step).floats()[0];
            Matrix scale = vector(norm, Math.min(1f, 0.5f / (norm + 1e-6f)));
            Matrix gradient = vector(file.get("gradient." + step).floats());
            ops.update(
                    parameter.tensor,
                    gradient.tensor,
                    m.tensor,
                    v.tensor,
                    scale.tensor,
                    factors(5e-3, 0.9, 0.999, 1e-8, 0.01, step));
            assertThat(values(m)).isEqualTo(file.get("exp_avg." + step).floats());
            assertThat(values(v)).isEqualTo(file.get("exp_avg_sq." + step).floats());
            float[] expected = file.get("parameter." + step).floats();
            for (int i = 0; i < n; i++) {
                assertThat(values(parameter)[i]).isCloseTo(expected[i], offset(step * Math.ulp(expected[i])));
            }
        }
    }

    @Test
    void followsTheFormulaInF64() {
        int n = 5001;
        Matrix parameter = Matrix.contiguous(device, DType.F32, 1, n).random(1, 1);
        Matrix gradient = Matrix.contiguous(device, DType.F32, 1, n).random(2, 1e-2);
        Matrix m = Matrix.contiguous(device, DType.F32, 1, n).random(3, 1e-2);
        Matrix v = vector(new float[n]);
        double[] p = parameter.values()[0];
        double[] g = gradient.values()[0];
        double[] m0 = m.values()[0];
        ops.update(
                parameter.tensor,
                gradient.tensor,
                m.tensor,
                v.tensor,
                vector(9f, 0.25f).tensor,
                factors(1e-2, 0.8, 0.99, 1e-3, 0.1, 3));
        parameter.assertNear(
                Shapes.reference(1, n, (r, i) -> {
                    double scaled = 0.25 * g[i];
                    double m1 = 0.8 * m0[i] + 0.2 * scaled;
                    double root = Math.sqrt(0.01 * scaled * scaled / (1 - Math.pow(0.99, 3)));
                    return p[i] * (1 - 1e-3) - 1e-2 * m1 / (1 - Math.pow(0.8, 3)) / (root + 1e-3);
                }),
                "parameter");
    }

    @Test
    void refusesStepZero() {
        assertThatThrownBy(() -> new AdamW.Settings(1e-2, 0.9, 0.999, 1e-8, 0, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("steps are counted from 1, not 0");
    }
}
