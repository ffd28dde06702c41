// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.TrainingState;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What PyTorch's {@code GradScaler} does with its defaults: 65536, twice after 2000 good steps in a row, half after a bad one. */
class LossScalerTest {

    private final LossScaler scaler = LossScaler.of(DType.F16);

    private void good(int steps) {
        for (int i = 0; i < steps; i++) {
            scaler.update();
        }
    }

    private void bad(int steps) {
        for (int i = 0; i < steps; i++) {
            scaler.skip(7, 1.5, 1e-3);
        }
    }

    @Test
    void followsGradScaler() {
        assertThat(scaler.scale()).isEqualTo(65536f);
        good(1999);
        assertThat(scaler.scale()).isEqualTo(65536f);
        good(1);
        assertThat(scaler.scale()).isEqualTo(131072f);
        good(1999);
        bad(1); // begins to count anew
        assertThat(scaler.scale()).isEqualTo(65536f);
        good(1999);
        assertThat(scaler.scale()).isEqualTo(65536f);
        good(1);
        assertThat(scaler.scale()).isEqualTo(131072f);
        bad(3);
        assertThat(scaler.scale()).isEqualTo(16384f);
        assertThat(scaler.reported()).isEqualTo(16384.0);
        assertThat(scaler.updates(6003)).isEqualTo(5999);
    }

    private static StepSums.Values values(double loss, float gradNorm) {
        return new StepSums.Values(List.of(loss), gradNorm);
    }

    @Test
    void skipsWhereGradientsAreNotFiniteAndTheLossIs() {
        assertThat(scaler.skips(values(1, Float.POSITIVE_INFINITY))).isTrue();
        assertThat(scaler.skips(values(1, Float.NaN))).isTrue();
        assertThat(scaler.skips(values(1, 2f))).isFalse();
        assertThat(scaler.skips(values(Double.NaN, Float.NaN))).isFalse();
        assertThat(scaler.skips(values(Double.POSITIVE_INFINITY, 1f))).isFalse();
    }

    @Test
    void aScaleThatCameToNothingIsAnError() {
        bad(29);
        assertThat(scaler.scale()).isEqualTo(0x1p-13f);
        assertThatThrownBy(() -> bad(1))
                .isInstanceOfSatisfying(
                        QLoraException.class, e -> assertThat(e.kind()).isEqualTo(Kind.DIVERGED))
                .hasMessageStartingWith("QLORA-T165: step 7 gave loss 1.5 and gradients that are not finite, at ")
                .hasMessageContaining("rate 0.001 and after the loss scale of float16 had fallen to 1.220703125E-4;")
                .hasMessageContaining("set bnb_4bit_compute_dtype to bfloat16");
        assertThat(scaler.scale()).isEqualTo(0x1p-13f);
        assertThat(scaler.updates(29)).isZero();
    }

    @Test
    void growsNoFurtherThanItCan() {
        write(scaler, 0x1p127, 1999, 0);
        good(1);
        assertThat(scaler.scale()).isEqualTo(0x1p127f);
        good(2000);
        assertThat(scaler.scale()).isEqualTo(0x1p127f);
    }

    private static void write(LossScaler to, double scale, double good, double skipped) {
        byte[] data = new byte[3 * Double.BYTES];
        ByteBuffer.wrap(data)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putDouble(scale)
                .putDouble(good)
                .putDouble(skipped);
        NamedTensor tensor = new NamedTensor(TrainingState.GRAD_SCALER, DType.F64, new long[] {3}, data);
        to.write(Map.of(tensor.name(), tensor));
    }

    @Test
    void goesOnWhereItsStateWasTaken() {
        good(1500);
        bad(2);
        good(1990);
        LossScaler other = LossScaler.of(DType.F16);
        NamedTensor state = scaler.read().get(0);
        other.write(Map.of(state.name(), state));
        for (int i = 0; i < 10; i++) {
            other.update();
        }
        assertThat(other.scale()).isEqualTo(32768f);
        assertThat(other.updates(3502)).isEqualTo(3500);
        other.reset();
        assertThat(other.read()).isEqualTo(LossScaler.of(DType.F16).read());
    }

    @Test
    void otherTypesHaveNone() {
        for (DType type : new DType[] {DType.F32, DType.BF16}) {
            LossScaler none = LossScaler.of(type);
            for (int i = 0; i < 2001; i++) {
                none.update();
            }
            assertThat(none.scale()).isEqualTo(1f);
            assertThat(none.reported()).isNull();
            assertThat(none.read()).isEmpty();
            assertThat(none.expected()).isEmpty();
            assertThat(none.updates(5)).isEqualTo(5);
            assertThat(none.skips(values(1, Float.NaN))).isFalse();
        }
    }
}
