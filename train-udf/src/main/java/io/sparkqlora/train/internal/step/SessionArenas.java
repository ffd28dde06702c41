// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.Device;
import java.util.ArrayDeque;
import java.util.Deque;

/** A session's allocations; closing frees them in reverse order. */
public final class SessionArenas implements AutoCloseable {

    private final Device device;
    private final Deque<Arena> open = new ArrayDeque<>();

    public SessionArenas(Device device) {
        this.device = device;
    }

    /** What lives as long as the session. */
    public SessionBuffers.Arenas allocate(SessionPlan plan) {
        return new SessionBuffers.Arenas(
                add(plan.baseWeights(), "the base weights"),
                add(plan.embeddings(), "the embeddings"),
                add(plan.adapter(), "the adapter"),
                add(plan.gradients(), "the adapter's gradients"),
                add(plan.optimizerState(), "the optimizer state"));
    }

    /** One more allocation. */
    public Arena add(long bytes, String purpose) {
        Arena arena = new Arena(device.allocate(bytes, purpose));
        open.push(arena);
        return arena;
    }

    @Override
    public void close() {
        while (!open.isEmpty()) {
            open.pop().close();
        }
    }
}
