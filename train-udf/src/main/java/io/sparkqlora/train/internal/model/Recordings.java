// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Recording;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Micro-batches of a shape that came before, recorded: a GPU gets thousands of operations in one call. The first of a shape is
 * issued as it comes, which also loads the kernels and grows the work space that a recording must find there; the second
 * is recorded. Rows of one length do that from the second step on; where every micro-batch has other sequences nothing
 * is recorded. Either way the same operations run, so the bits are the same.
 */
public final class Recordings implements AutoCloseable {

    /** Each recording takes some memory of the device; whole rows and the shorter last ones need two. */
    private static final int KEPT = 4;

    private static final int REMEMBERED = 256;

    private final Device device;
    private final Map<Object, Boolean> seen = latest(REMEMBERED, shape -> {});
    private final Map<Object, Recording> recorded = latest(KEPT, Recording::close);

    /** Recordings of {@code device}. */
    public Recordings(Device device) {
        this.device = device;
    }

    private static <V> Map<Object, V> latest(int count, Consumer<V> dropped) {
        return new LinkedHashMap<>(count, 0.75f, true) {
            private static final long serialVersionUID = 1L;

            @Override
            protected boolean removeEldestEntry(Map.Entry<Object, V> eldest) {
                if (size() > count) {
                    dropped.accept(eldest.getValue());
                    return true;
                }
                return false;
            }
        };
    }

    /**
     * Issues operations, or runs the recording of those that had the same shape.
     *
     * @param shape equal for operations that are the same but for the contents of tensors
     * @param operations nothing but operations of the device on memory that stays
     */
    void run(Object shape, Runnable operations) {
        if (seen.put(shape, true) == null) {
            operations.run();
            return;
        }
        Recording recording = recorded.get(shape);
        if (recording == null || recording.stale()) {
            close(recorded.remove(shape));
            recording = device.record(operations);
            recorded.put(shape, recording);
        }
        recording.run();
    }

    private static void close(Recording recording) {
        if (recording != null) {
            recording.close();
        }
    }

    @Override
    public void close() {
        recorded.values().forEach(Recording::close);
        recorded.clear();
    }
}
