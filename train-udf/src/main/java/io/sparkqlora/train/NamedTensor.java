// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.DType;
import java.io.Serializable;
import java.util.Arrays;
import java.util.Objects;

/**
 * A tensor in host memory under a name: how adapters and training state leave the device.
 *
 * @param name PEFT's name, such as {@code base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight}
 * @param dtype element type
 * @param shape dimensions, outermost first
 * @param data the elements, row-major, little-endian; not copied, not to be changed
 */
@SuppressWarnings("ArrayRecordComponent")
public record NamedTensor(String name, DType dtype, long[] shape, byte[] data) implements Serializable {

    public NamedTensor {
        long bytes = Arrays.stream(shape).reduce(dtype.bytes(), Math::multiplyExact);
        if (bytes != data.length) {
            throw TrainErrors.badTensor(name, dtype, shape, data.length);
        }
    }

    /** Equal in name, type, shape and every byte. */
    @Override
    public boolean equals(Object other) {
        return other instanceof NamedTensor that
                && name.equals(that.name)
                && dtype == that.dtype
                && Arrays.equals(shape, that.shape)
                && Arrays.equals(data, that.data);
    }

    @Override
    public int hashCode() {
        return Objects.hash(name, dtype, Arrays.hashCode(shape), Arrays.hashCode(data));
    }

    /** Name, type and shape; not the elements. */
    @Override
    public String toString() {
        return name + " " + dtype + " " + Arrays.toString(shape);
    }
}
