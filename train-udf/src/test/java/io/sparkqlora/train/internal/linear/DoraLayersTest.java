// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.Bias;
import io.sparkqlora.train.InitLoraWeights;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.internal.linear.AdapterLayout.Role;
import io.sparkqlora.train.internal.linear.AdapterLayout.Slot;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A group of three layers, of which two have an adapter with magnitudes, against PEFT's formula in float64. */
class DoraLayersTest {

    private static final int ROWS = 9;
    private static final int IN = 24;
    private static final int RANK = 3;
    private static final double SCALING = 0.5;
    private static final GroupSpec SPEC = new GroupSpec(
            IN,
            List.of(new GroupSpec.Part("a", 16, 0), new GroupSpec.Part("b", 8, 1), new GroupSpec.Part("c", 5, 2)),
            false,
            true);
    private static final Map<String, Integer> STARTS = Map.of("a", 0, "c", 24);

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));
    private final Memory memory = device.allocate(1 << 22, "a test");
    private final Arena arena = new Arena(memory);
    private final Pass pass = new Pass(device, arena, DType.F32);
    private final AdapterLayout layout = new AdapterLayout(
            List.of(SPEC),
            Set.of("a", "c"),
            LoraConfig.builder()
                    .r(RANK)
                    .loraAlpha(SCALING * RANK)
                    .useDora(true)
                    .bias(Bias.LORA_ONLY)
                    .build());
    private final Map<String, double[][]> values = new HashMap<>();
    private final AdapterBuffers buffers = AdapterBuffers.take(layout, DType.F32, arena, arena);
    private final LinearGroup group = group();

    @AfterEach
    void close() {
        device.close();
    }

    private LinearGroup group() {
        int out = SPEC.outFeatures();
        Tensor storage = Pass.matrix(arena, DType.F32, out, IN + layout.width(SPEC));
        BaseWeight.Dense weight = new BaseWeight.Dense(storage, IN);
        device.ops().elementwise().cast(random("W", out, IN, 1), weight.weight());
        for (Slot slot : layout.slots()) {
            double scale = slot.role() == Role.MAGNITUDE ? 2 : 0.3;
            device.ops()
                    .elementwise()
                    .cast(random(slot.name(), slot.rows(), slot.cols(), scale), slot.in(buffers.parameters()));
        }
        device.ops().elementwise().zero(buffers.gradients());
        return new LinearGroup(SPEC, weight, random("bias", 1, out, 1));
    }

    /** A matrix of normal numbers, kept under its name too. */
    private Tensor random(String name, int rows, int cols, double scale) {
        Random random = new Random(name.hashCode());
        double[][] kept = new double[rows][cols];
        ByteBuffer bytes = ByteBuffer.allocateDirect(4 * rows * cols).order(ByteOrder.LITTLE_ENDIAN);
        for (double[] row : kept) {
            for (int c = 0; c < cols; c++) {
                float value = (float) (scale * random.nextGaussian());
                row[c] = value;
                bytes.putFloat(value);
            }
        }
        values.put(name, kept);
        Tensor tensor = arena.take(DType.F32, rows, cols);
        device.copyIn(bytes.flip(), tensor);
        return tensor;
    }

    private double[][] read(Tensor tensor) {
        long mark = arena.mark();
        Tensor whole = arena.take(DType.F32, tensor.rows(), tensor.cols());
        device.ops().elementwise().cast(tensor, whole);
        NamedTensor copy = HostCopies.read(device, "copy", whole, List.of(tensor.rows(), tensor.cols()));
        ByteBuffer bytes = ByteBuffer.wrap(copy.data()).order(ByteOrder.LITTLE_ENDIAN);
        double[][] out = new double[(int) tensor.rows()][(int) tensor.cols()];
        for (double[] row : out) {
            for (int c = 0; c < row.length; c++) {
                row[c] = bytes.getFloat();
            }
        }
        arena.release(mark);
        return out;
    }

    private double[][] of(String layer, String what) {
        return values.get("base_model.model." + layer + what);
    }

    /** The mask of a layer's dropout, as factors. */
    private double[][] mask(DropoutMasks masks, int stream) {
        double[][] ones = new double[ROWS][IN];
        for (double[] row : ones) {
            Arrays.fill(row, 1);
        }
        if (masks == null) {
            return ones;
        }
        Tensor x = arena.take(DType.F32, ROWS, IN);
        ByteBuffer bytes = ByteBuffer.allocateDirect(4 * ROWS * IN).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            bytes.putFloat(1f);
        }
        device.copyIn(bytes.flip(), x);
        device.ops().dropout().apply(x, masks.p(), masks.seed(), masks.streamBase(), stream, 0, x);
        return read(x);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void outputsAndGradients(boolean dropout) {
        DropoutMasks masks = null;
        if (dropout) {
            Tensor base = arena.take(DType.I64, 1, 1);
            device.copyIn(
                    ByteBuffer.allocateDirect(8)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putLong(5L << 16)
                            .flip(),
                    base);
            masks = new DropoutMasks(0.3f, 11, base);
        }
        buffers.measure(pass, List.of(group), false);
        LoraSegments lora = new LoraSegments(List.of(new LoraSegments.Segment(0, ROWS, buffers.group(SPEC), masks)));
        Tensor x = pass.matrix(ROWS, IN + layout.width(SPEC));
        device.ops().elementwise().cast(random("x", ROWS, IN, 1), x.colRange(0, IN));
        Tensor dy = random("dy", ROWS, SPEC.outFeatures(), 1);
        Tensor t = arena.take(DType.F32, ROWS, layout.width(SPEC));
        Tensor y = pass.matrix(ROWS, SPEC.outFeatures());
        Tensor dx = pass.matrix(ROWS, IN + layout.width(SPEC));
        group.project(pass, x, lora, t);
        group.forward(pass, x, lora, t, y);
        group.backward(pass, dy, t, lora, true, dx);
        group.gradients(pass, x, dy, t, lora, dx);

        Reference reference = new Reference(masks);
        assertNear("y", read(y), reference.y);
        assertNear("dx", read(dx.colRange(0, IN)), reference.dx);
        for (Slot slot : layout.slots()) {
            assertNear(slot.name(), read(slot.in(buffers.gradients())), reference.gradients.get(slot.name()));
        }
    }

    private static void assertNear(String what, double[][] actual, double[][] expected) {
        double difference = 0;
        double norm = 0;
        for (int r = 0; r < expected.length; r++) {
            for (int c = 0; c < expected[r].length; c++) {
                difference += Math.pow(actual[r][c] - expected[r][c], 2);
                norm += Math.pow(expected[r][c], 2);
            }
        }
        assertThat(Math.sqrt(difference / norm)).as(what).isLessThan(3e-6);
    }

    @Test
    void aFreshAdapterIsTheBaseWithItsOwnLengths() {
        buffers.initialize(device, InitLoraWeights.TRUE, Map.of(), 3);
        buffers.measure(pass, List.of(group), true);
        double[][] w = values.get("W");
        double[][] magnitude = read(layout.slots().get(2).in(buffers.parameters()));
        for (int i = 0; i < 16; i++) {
            assertThat(magnitude[0][i]).isCloseTo(norm(w[i]), within(1e-5));
        }
    }

    private static double norm(double[] row) {
        double sum = 0;
        for (double v : row) {
            sum += v * v;
        }
        return Math.sqrt(sum);
    }

    /** {@code y = x·Wᵀ + (f − 1) · (x̃·Wᵀ) + f · scaling · x̃·Aᵀ·Bᵀ + bias}, the norms in {@code f} being constants. */
    private final class Reference {

        private final double[][] y = new double[ROWS][SPEC.outFeatures()];
        private final double[][] dx = new double[ROWS][IN];
        private final Map<String, double[][]> gradients = new HashMap<>();

        Reference(DropoutMasks masks) {
            double[][] x = values.get("x");
            double[][] w = values.get("W");
            double[][] dy = values.get("dy");
            for (int r = 0; r < ROWS; r++) {
                for (int o = 0; o < y[r].length; o++) {
                    y[r][o] = bias(o);
                    for (int i = 0; i < IN; i++) {
                        y[r][o] += x[r][i] * w[o][i];
                        dx[r][i] += dy[r][o] * w[o][i];
                    }
                }
            }
            SPEC.parts().stream()
                    .filter(part -> STARTS.containsKey(part.name()))
                    .forEach(part -> {
                        layer(part, STARTS.get(part.name()), mask(masks, part.ordinal()));
                    });
        }

        /** Trained with an adapter, the base's without. */
        private double bias(int column) {
            return column < 16
                    ? of("a", ".base_layer.bias")[0][column]
                    : column >= 24 ? of("c", ".base_layer.bias")[0][column - 24] : values.get("bias")[0][column];
        }

        private void layer(GroupSpec.Part part, int start, double[][] mask) {
            double[][] a = of(part.name(), ".lora_A.weight");
            double[][] b = of(part.name(), ".lora_B.weight");
            double[] m = of(part.name(), ".lora_magnitude_vector")[0];
            double[][] gradA = new double[RANK][IN];
            double[][] gradB = new double[part.outFeatures()][RANK];
            double[][] gradM = new double[1][part.outFeatures()];
            double[][] gradBias = new double[1][part.outFeatures()];
            for (int o = 0; o < part.outFeatures(); o++) {
                double[] w = values.get("W")[start + o];
                double[] whole = w.clone();
                for (int k = 0; k < RANK; k++) {
                    for (int i = 0; i < IN; i++) {
                        whole[i] += SCALING * b[o][k] * a[k][i];
                    }
                }
                double norm = norm(whole);
                double f = m[o] / norm;
                for (int r = 0; r < ROWS; r++) {
                    double dy = values.get("dy")[r][start + o];
                    gradBias[0][o] += dy;
                    for (int i = 0; i < IN; i++) {
                        double x = values.get("x")[r][i] * mask[r][i];
                        y[r][start + o] += (f - 1) * x * w[i] + f * x * (whole[i] - w[i]);
                        gradM[0][o] += dy * x * whole[i] / norm;
                        dx[r][i] += dy * mask[r][i] * ((f - 1) * w[i] + f * (whole[i] - w[i]));
                        for (int k = 0; k < RANK; k++) {
                            gradA[k][i] += f * dy * SCALING * b[o][k] * x;
                            gradB[o][k] += f * dy * SCALING * a[k][i] * x;
                        }
                    }
                }
            }
            gradients.put("base_model.model." + part.name() + ".lora_A.weight", gradA);
            gradients.put("base_model.model." + part.name() + ".lora_B.weight", gradB);
            gradients.put("base_model.model." + part.name() + ".lora_magnitude_vector", gradM);
            gradients.put("base_model.model." + part.name() + ".base_layer.bias", gradBias);
        }
    }
}
