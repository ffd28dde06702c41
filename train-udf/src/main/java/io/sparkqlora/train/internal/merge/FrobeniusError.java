// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/** How far one F32 matrix is from another: {@code ‖actual − exact‖ / ‖exact‖} in the Frobenius norm, added up in F64. */
final class FrobeniusError {

    private static final long PIECE_ELEMENTS = 1L << 20;

    private FrobeniusError() {}

    /** 0 where both are zero. */
    static double of(Device device, Tensor exact, Tensor actual) {
        long step = Math.max(1, PIECE_ELEMENTS / exact.cols());
        double difference = 0;
        double norm = 0;
        for (long row = 0; row < exact.rows(); row += step) {
            long end = Math.min(exact.rows(), row + step);
            FloatBuffer one = floats(device, exact.rowRange(row, end));
            FloatBuffer other = floats(device, actual.rowRange(row, end));
            while (one.hasRemaining()) {
                double value = one.get();
                double off = other.get() - value;
                difference += off * off;
                norm += value * value;
            }
        }
        return difference == 0 ? 0 : Math.sqrt(difference / norm);
    }

    private static FloatBuffer floats(Device device, Tensor rows) {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(Math.toIntExact(rows.bytes())).order(ByteOrder.LITTLE_ENDIAN);
        device.copyOut(rows, bytes);
        return bytes.clear().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    }
}
