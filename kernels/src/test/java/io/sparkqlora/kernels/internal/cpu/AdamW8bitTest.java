// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Offset.offset;

import io.sparkqlora.kernels.AdamW;
import io.sparkqlora.kernels.AdamW8bit;
import io.sparkqlora.kernels.AdamW8bit.Moment;
import io.sparkqlora.kernels.Tensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class AdamW8bitTest extends OptimizerCase {

    private static final Path REFERENCE = Path.of("src/test/resources/optimizer/adamw-8bit.safetensors");

    private final AdamW8bit ops = device.ops().adamW8bit();

    /** The tensors of one adapter, with everything that an update takes. */
    private final class Run {
        final Matrix parameter;
        final Matrix gradient;
        final Matrix[] codes = new Matrix[2];
        final Matrix[] absmax = new Matrix[2];
        final Matrix blocks;
        final Matrix scale = floats(1f, 1f);

        /** @param blocks first element and count of each */
        Run(float[] parameter, int... blocks) {
            this.parameter = floats(parameter);
            this.gradient = floats(parameter);
            this.blocks = blocks(blocks);
            for (int i = 0; i < 2; i++) {
                codes[i] = codes(parameter.length);
                absmax[i] = floats(new float[blocks.length / 2]);
            }
        }

        Run step(float[] gradient, AdamW.Settings settings) {
            Native.store(gradient, 0, gradient.length, this.gradient.tensor.address());
            ops.update(
                    parameter.tensor,
                    this.gradient.tensor,
                    new Moment(codes[0].tensor, absmax[0].tensor),
                    new Moment(codes[1].tensor, absmax[1].tensor),
                    blocks.tensor,
                    scale.tensor,
                    floats(settings.factors()).tensor);
            return this;
        }
    }

    /**
     * Codes and scales bit for bit; the parameters within a unit in the last place, of theirs or of the update, a step:
     * PyTorch's square root, from MKL, is not always the nearest.
     */
    private void stepsAsBitsandbytes(
            String name, int steps, double lr, double b1, double b2, double eps, double decay) {
        SafetensorsFile file = new SafetensorsFile(REFERENCE);
        float[] parameter = file.get(name + ".parameter.0").floats();
        Run run = new Run(parameter, blocksOf(parameter.length));
        for (int step = 1; step <= steps; step++) {
            run.step(file.get(name + ".gradient." + step).floats(), new AdamW.Settings(lr, b1, b2, eps, decay, step));
        }
        String[] moments = {".m", ".v"};
        for (int i = 0; i < 2; i++) {
            assertThat(floats(run.absmax[i]))
                    .isEqualTo(file.get(name + moments[i] + "_absmax").floats());
            assertThat(run.codes[i].bytes())
                    .isEqualTo(file.get(name + moments[i]).data());
        }
        float[] expected = file.get(name + ".parameter." + steps).floats();
        float[] got = floats(run.parameter);
        for (int i = 0; i < expected.length; i++) {
            float unit = Math.ulp(Math.max(Math.abs(expected[i]), (float) lr));
            assertThat(got[i]).as("parameter %d", i).isCloseTo(expected[i], offset(steps * unit));
        }
    }

    @Test
    void stepsAsBitsandbytesOnWholeBlocks() {
        stepsAsBitsandbytes("even", 6, 1e-2, 0.9, 0.999, 1e-8, 0.01);
    }

    @Test
    void stepsAsBitsandbytesWhereTheLastBlockIsShortAndSomeAreZero() {
        stepsAsBitsandbytes("odd", 4, 3e-3, 0.8, 0.95, 1e-6, 0.1);
    }

    /** bitsandbytes' 32-bit AdamW is PyTorch's with epsilon scaled beforehand: the same numbers up to rounding. */
    @Test
    void thirtyTwoBitsOfBitsandbytesAreThoseOfPyTorch() {
        SafetensorsFile file = new SafetensorsFile(REFERENCE);
        Matrix parameter = floats(file.get("even.parameter.0").floats());
        int n = (int) parameter.tensor.size();
        Matrix m = floats(new float[n]);
        Matrix v = floats(new float[n]);
        for (int step = 1; step <= 6; step++) {
            Tensor gradient = floats(file.get("even.gradient." + step).floats()).tensor;
            Tensor factors = floats(new AdamW.Settings(1e-2, 0.9, 0.999, 1e-8, 0.01, step).factors()).tensor;
            device.ops().adamW().update(parameter.tensor, gradient, m.tensor, v.tensor, floats(1f, 1f).tensor, factors);
        }
        assertNear(floats(parameter), file.get("even32.parameter.6").floats(), 1e-6);
        assertNear(floats(m), file.get("even32.m").floats(), 1e-6);
        assertNear(floats(v), file.get("even32.v").floats(), 1e-6);
    }

    /** Relative to the largest. */
    private static void assertNear(float[] got, float[] expected, double tolerance) {
        float largest = 0;
        for (float x : expected) {
            largest = Math.max(largest, Math.abs(x));
        }
        for (int i = 0; i < expected.length; i++) {
            assertThat(got[i]).as("element %d", i).isCloseTo(expected[i], offset((float) tolerance * largest));
        }
    }

    /** Blocks that begin anywhere give each element what it gets in a buffer of its own; gaps between blocks stay. */
    @Test
    void blocksLieAnywhere() {
        Random random = new Random(3);
        float[] parameter = randoms(random, 1003);
        int[][] places = {{0, 256}, {256, 256}, {515, 256}, {771, 33}, {904, 1}};
        Run all = new Run(
                parameter, Arrays.stream(places).flatMapToInt(Arrays::stream).toArray());
        Run[] alone = new Run[places.length];
        for (int i = 0; i < places.length; i++) {
            float[] part = Arrays.copyOfRange(parameter, places[i][0], places[i][0] + places[i][1]);
            alone[i] = new Run(part, 0, part.length);
        }
        for (int step = 1; step <= 3; step++) {
            AdamW.Settings settings = new AdamW.Settings(1e-2, 0.9, 0.999, 1e-8, 0.1, step);
            float[] gradient = randoms(random, 1003);
            all.step(gradient, settings);
            for (int i = 0; i < places.length; i++) {
                alone[i].step(Arrays.copyOfRange(gradient, places[i][0], places[i][0] + places[i][1]), settings);
            }
        }
        float[] expected = parameter.clone();
        byte[] codes = new byte[1003];
        for (int i = 0; i < places.length; i++) {
            System.arraycopy(floats(alone[i].parameter), 0, expected, places[i][0], places[i][1]);
            System.arraycopy(alone[i].codes[1].bytes(), 0, codes, places[i][0], places[i][1]);
            assertThat(floats(all.absmax[1])[i]).isEqualTo(floats(alone[i].absmax[1])[0]);
        }
        assertThat(floats(all.parameter)).isEqualTo(expected);
        assertThat(all.codes[1].bytes()).isEqualTo(codes);
    }

    private static float[] randoms(Random random, int n) {
        float[] out = new float[n];
        for (int i = 0; i < n; i++) {
            out[i] = (float) random.nextGaussian();
        }
        return out;
    }

    /** One step in F64, from moments of zero: codes hold each moment to the nearest of the map. */
    @Test
    void followsTheFormulaInF64() {
        int n = 1000;
        float[] parameter = randoms(new Random(1), n);
        float[] gradient = randoms(new Random(2), n);
        Run run = new Run(parameter, blocksOf(n));
        Native.putFloat(run.scale.tensor.address() + 4, 0.25f);
        run.step(gradient, new AdamW.Settings(1e-2, 0.8, 0.99, 1e-3, 0.1, 1));
        float[] got = floats(run.parameter);
        for (int i = 0; i < n; i++) {
            double g = 0.25 * gradient[i];
            double expected = parameter[i] * (1 - 1e-3) - 1e-2 * g / (Math.abs(g) + 1e-3);
            assertThat((double) got[i]).isCloseTo(expected, offset(1e-6));
        }
    }

    /** What overflows or is too small to be inverted is the same on every device. */
    @Test
    void extremesHaveDefinedCodes() {
        float[] gradient = new float[512];
        for (int i = 0; i < 256; i++) {
            gradient[i] = i % 3 == 0 ? 0f : 1e-38f;
            gradient[256 + i] = i == 7 ? 1e30f : i;
        }
        Run run = new Run(new float[512], blocksOf(512));
        run.step(gradient, new AdamW.Settings(1e-2, 0.9, 0.999, 1e-8, 0, 1));
        // m is 1e-39 there, whose inverse is infinite: times zero no number, whose code is the first, else the end of
        // the map
        assertThat(run.codes[0].bytes()[0]).isEqualTo((byte) 0);
        assertThat(run.codes[0].bytes()[1]).isEqualTo((byte) 255);
        // the second moment overflows: every other one is infinitely small beside it, itself no number
        assertThat(floats(run.absmax[1])[1]).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(run.codes[1].bytes()[256 + 7]).isEqualTo((byte) 0);
        assertThat(run.codes[1].bytes()[256]).isEqualTo(run.codes[1].bytes()[256 + 9]);
    }

    @Test
    void sizesThatDoNotFitAreRefused() {
        Run run = new Run(new float[512], 0, 256, 256, 256);
        run.absmax[1] = floats(new float[3]);
        assertThatThrownBy(() -> run.step(new float[512], new AdamW.Settings(1e-2, 0.9, 0.999, 1e-8, 0, 1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("a vector of 2 F32 is needed, not of 3 F32");
    }
}
