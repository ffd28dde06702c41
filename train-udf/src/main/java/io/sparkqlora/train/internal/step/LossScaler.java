// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.LossScaleErrors;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.TrainingState;
import io.sparkqlora.train.internal.linear.ExpectedTensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;

/**
 * Dynamic loss scaling of one adapter, with the numbers of PyTorch's {@code GradScaler}: gradients of float16 are those of so many
 * times the loss, so that small ones don't vanish. A step whose gradients are not finite is skipped and halves the scale, as many good
 * ones in a row double it. What it does is a function of the steps' norms, which all ranks agree on.
 *
 * <p>A skipped step counts as a step, but neither for the schedule nor for the optimizer: so transformers has it.
 */
public final class LossScaler {

    static final float INITIAL = 65536f;
    static final int GROWTH_INTERVAL = 2000;

    /** fairseq's {@code min-loss-scale}: gradients that overflow with less are not too large for a type, they have no bounds. */
    static final float LEAST = 1e-4f;

    private static final float GROWTH = 2f;
    private static final float BACKOFF = 0.5f;
    private static final int NUMBERS = 3;
    private static final ExpectedTensor EXPECTED =
            new ExpectedTensor(TrainingState.GRAD_SCALER, DType.F64, List.of((long) NUMBERS));

    private final boolean enabled;
    private float scale;
    private long good;
    private long skipped;

    private LossScaler(boolean enabled) {
        this.enabled = enabled;
        reset();
    }

    /** For activations of a type; where it is not F16 the scale is 1 and stays so. */
    static LossScaler of(DType compute) {
        return new LossScaler(compute == DType.F16);
    }

    /** As before the first step. */
    void reset() {
        scale = enabled ? INITIAL : 1f;
        good = 0;
        skipped = 0;
    }

    /** The factor on the loss in the step to come: a power of two. */
    float scale() {
        return scale;
    }

    /** The same for a row of metrics: null where nothing is scaled. */
    Double reported() {
        return enabled ? (double) scale : null;
    }

    /** Of so many steps those that updated the adapter. */
    long updates(long stepsDone) {
        return stepsDone - skipped;
    }

    /** Whether a step is to be skipped: its loss is fine and its gradients are not. */
    boolean skips(StepSums.Values values) {
        return enabled && Double.isFinite(values.loss()) && !Float.isFinite(values.gradNorm());
    }

    /**
     * After a step that was skipped.
     *
     * @param step counted from 1
     * @throws io.sparkqlora.kernels.QLoraException DIVERGED where the scale has come to its end
     */
    void skip(long step, double loss, double learningRate) {
        if (scale * BACKOFF < LEAST) {
            throw LossScaleErrors.exhausted(step, loss, scale, learningRate);
        }
        scale *= BACKOFF;
        good = 0;
        skipped++;
    }

    /** After a step that updated the adapter. */
    void update() {
        good++;
        if (enabled && good == GROWTH_INTERVAL) {
            good = 0;
            scale = Float.isFinite(scale * GROWTH) ? scale * GROWTH : scale;
        }
    }

    /** Issues the division of gradients by the scale; exact but for what is denormal in F32. */
    void unscale(Device device, Tensor gradients) {
        if (scale != 1f) {
            device.ops().elementwise().scale(gradients, 1f / scale, gradients);
        }
    }

    /** What {@link #write} takes. */
    List<ExpectedTensor> expected() {
        return enabled ? List.of(EXPECTED) : List.of();
    }

    /** Scale, good steps in a row, and skipped ones, under the name {@link TrainingState#GRAD_SCALER}. */
    List<NamedTensor> read() {
        if (!enabled) {
            return List.of();
        }
        ByteBuffer numbers = ByteBuffer.allocate(NUMBERS * Double.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        numbers.putDouble(scale).putDouble(good).putDouble(skipped);
        return List.of(new NamedTensor(TrainingState.GRAD_SCALER, DType.F64, new long[] {NUMBERS}, numbers.array()));
    }

    /** Goes on from a copy that was found to be as {@link #expected}. */
    void write(Map<String, NamedTensor> tensors) {
        if (enabled) {
            ByteBuffer numbers = ByteBuffer.wrap(
                            tensors.get(TrainingState.GRAD_SCALER).data())
                    .order(ByteOrder.LITTLE_ENDIAN);
            scale = (float) numbers.getDouble();
            good = (long) numbers.getDouble();
            skipped = (long) numbers.getDouble();
        }
    }
}
