// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/** The part of a state that scales the loss in float16. */
final class Scales {

    /** With which every gradient of a tiny model overflows. */
    static final double TOO_LARGE = 0x1p60;

    private Scales() {}

    /** The same state with another scale. */
    static TrainingState with(TrainingState state, double scale) {
        List<NamedTensor> tensors = state.tensors().stream()
                .map(tensor -> tensor.name().equals(TrainingState.GRAD_SCALER) ? replaced(tensor, scale) : tensor)
                .toList();
        return new TrainingState(state.step(), tensors);
    }

    private static NamedTensor replaced(NamedTensor tensor, double scale) {
        byte[] data = tensor.data().clone();
        ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).putDouble(0, scale);
        return new NamedTensor(tensor.name(), DType.F64, tensor.shape(), data);
    }

    /** Scale, good steps in a row, skipped steps. */
    static List<Double> of(TrainingState state) {
        NamedTensor tensor = state.tensors().stream()
                .filter(t -> t.name().equals(TrainingState.GRAD_SCALER))
                .findFirst()
                .orElseThrow();
        ByteBuffer numbers = ByteBuffer.wrap(tensor.data()).order(ByteOrder.LITTLE_ENDIAN);
        return List.of(numbers.getDouble(), numbers.getDouble(), numbers.getDouble());
    }

    /** All but it. */
    static List<NamedTensor> others(TrainingState state) {
        return state.tensors().stream()
                .filter(t -> !t.name().equals(TrainingState.GRAD_SCALER))
                .toList();
    }
}
