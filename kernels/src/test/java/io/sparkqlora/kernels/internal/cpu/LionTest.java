// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.AdamW8bit.Moment;
import io.sparkqlora.kernels.Lion;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LionTest extends OptimizerCase {

    private static final Path RESOURCES = Path.of("src/test/resources/optimizer");

    private Matrix factors(double lr, double beta1, double beta2, double decay) {
        return floats(new Lion.Settings(lr, beta1, beta2, decay).factors());
    }

    /** Parameters, codes and scales bit for bit. */
    @Test
    void stepsAsBitsandbytes() {
        SafetensorsFile given = new SafetensorsFile(RESOURCES.resolve("adamw-8bit.safetensors"));
        SafetensorsFile expected = new SafetensorsFile(RESOURCES.resolve("lion-8bit.safetensors"));
        Matrix parameter = floats(given.get("even.parameter.0").floats());
        int n = (int) parameter.tensor.size();
        Matrix codes = codes(n);
        Matrix absmax = floats(new float[n / BLOCK]);
        for (int step = 1; step <= 6; step++) {
            device.ops()
                    .lion8bit()
                    .update(
                            parameter.tensor,
                            floats(given.get("even.gradient." + step).floats()).tensor,
                            new Moment(codes.tensor, absmax.tensor),
                            blocks(blocksOf(n)).tensor,
                            floats(1f, 1f).tensor,
                            factors(1e-2, 0.9, 0.99, 0.01).tensor);
        }
        assertThat(floats(parameter)).isEqualTo(expected.get("parameter.6").floats());
        assertThat(floats(absmax)).isEqualTo(expected.get("m_absmax").floats());
        assertThat(codes.bytes()).isEqualTo(expected.get("m").data());
    }

    /** The formula in F64, but where the mixed gradient is too near to zero for its sign to be sure. */
    @Test
    void followsTheFormulaInF64() {
        int n = 1003;
        Random random = new Random(4);
        float[] p = randoms(random, n);
        float[] g = randoms(random, n);
        float[] m = randoms(random, n);
        g[7] = 0;
        m[7] = 0;
        Matrix parameter = floats(p);
        Matrix moment = floats(m);
        device.ops()
                .lion()
                .update(
                        parameter.tensor,
                        floats(g).tensor,
                        moment.tensor,
                        floats(9f, 0.25f).tensor,
                        factors(0.125, 0.9, 0.95, 0.5).tensor);
        float[] got = floats(parameter);
        for (int i = 0; i < n; i++) {
            double scaled = 0.25 * g[i];
            double mixed = 0.9 * m[i] + 0.1 * scaled;
            if (i == 7 || Math.abs(mixed) > 1e-6) {
                double expected = p[i] * (1 - 0.125 * 0.5) - 0.125 * Math.signum(mixed);
                assertThat(Math.abs(got[i] - expected)).as("parameter %d", i).isLessThan(1e-6);
            }
            assertThat(Math.abs(floats(moment)[i] - (0.95 * m[i] + 0.05 * scaled)))
                    .as("moment %d", i)
                    .isLessThan(1e-6);
        }
    }

    /** Blocks that begin anywhere, some of them short, are updated as in buffers of their own; what is between them stays. */
    @Test
    void blocksLieAnywhere() {
        Random random = new Random(3);
        float[] start = randoms(random, 700);
        float[] gradient = randoms(random, 700);
        Matrix all = floats(start);
        Matrix codes = codes(700);
        Matrix absmax = floats(0f, 0f);
        step(all, gradient, codes, absmax, 3, 256, 300, 41);
        float[] expected = start.clone();
        for (int[] place : new int[][] {{3, 256}, {300, 41}}) {
            Matrix alone = floats(java.util.Arrays.copyOfRange(start, place[0], place[0] + place[1]));
            float[] part = java.util.Arrays.copyOfRange(gradient, place[0], place[0] + place[1]);
            step(alone, part, codes(place[1]), floats(0f), 0, place[1]);
            System.arraycopy(floats(alone), 0, expected, place[0], place[1]);
        }
        assertThat(floats(all)).isEqualTo(expected);
    }

    private void step(Matrix parameter, float[] gradient, Matrix codes, Matrix absmax, int... places) {
        for (int i = 0; i < 2; i++) {
            device.ops()
                    .lion8bit()
                    .update(
                            parameter.tensor,
                            floats(gradient).tensor,
                            new Moment(codes.tensor, absmax.tensor),
                            blocks(places).tensor,
                            floats(1f, 0.5f).tensor,
                            factors(1e-2, 0.9, 0.99, 0.1).tensor);
        }
    }

    private static float[] randoms(Random random, int n) {
        float[] out = new float[n];
        for (int i = 0; i < n; i++) {
            out[i] = (float) random.nextGaussian();
        }
        return out;
    }
}
