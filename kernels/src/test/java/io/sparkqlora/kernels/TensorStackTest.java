// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

/** When matrices are a stack, and which ones it has. */
class TensorStackTest {

    private final PlanningDevice device = new PlanningDevice();
    private final Tensor flat = Tensor.of(device.allocate(800, "a test"), DType.F32, 1, 200);

    private Tensor at(long start) {
        return flat.colRange(start, start + 6).reshape(2, 3);
    }

    @Test
    void matricesAtOneDistance() {
        List<Tensor> matrices = List.of(at(4), at(24), at(44));
        TensorStack stack = TensorStack.of(matrices).orElseThrow();
        assertThat(stack).isEqualTo(new TensorStack(at(4), 3, 20));
        assertThat(List.of(stack.get(0), stack.get(1), stack.get(2))).isEqualTo(matrices);
        assertThat(TensorStack.of(List.of(at(7)))).contains(TensorStack.of(at(7)));
    }

    @Test
    void otherMatricesAreNone() {
        Tensor elsewhere = Tensor.of(device.allocate(400, "a test"), DType.F32, 1, 100);
        assertThat(TensorStack.of(List.of(at(4), at(24), at(45)))).isEmpty();
        assertThat(TensorStack.of(List.of(at(24), at(4)))).isEmpty();
        assertThat(TensorStack.of(List.of(at(4), at(4)))).isEmpty();
        assertThat(TensorStack.of(List.of(at(4), flat.colRange(24, 30).reshape(3, 2))))
                .isEmpty();
        assertThat(TensorStack.of(List.of(at(4), elsewhere.colRange(24, 30).reshape(2, 3))))
                .isEmpty();
    }

    @Test
    void runsOfRows() {
        Tensor matrix = flat.reshape(20, 10).colRange(2, 7);
        TensorStack runs = TensorStack.runs(matrix, 4);
        for (int i = 0; i < 4; i++) {
            assertThat(runs.get(i)).isEqualTo(matrix.rowRange(5L * i, 5L * i + 5));
        }
        assertThat(TensorStack.runs(matrix, 1)).isEqualTo(TensorStack.of(matrix));
        assertThatThrownBy(() -> TensorStack.runs(matrix, 3)).hasMessageContaining("20 rows in 3 equal runs");
        assertThatThrownBy(() -> runs.get(4)).hasMessageContaining("matrix 4 of 4");
        assertThatThrownBy(() -> new TensorStack(matrix, 2, 0)).hasMessageContaining("2 tensors 0 elements apart");
    }
}
