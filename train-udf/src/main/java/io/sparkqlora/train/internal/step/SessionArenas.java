// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.PageQueue;
import java.util.ArrayDeque;
import java.util.Deque;

/** A session's allocations; closing frees them in reverse order. */
public final class SessionArenas implements AutoCloseable {

    private final Device device;
    private final Deque<Runnable> closing = new ArrayDeque<>();

    public SessionArenas(Device device) {
        this.device = device;
    }

    /** What lives as long as the session. */
    public SessionBuffers.Arenas allocate(SessionPlan plan) {
        Arena baseWeights = add(plan.baseWeights(), "the base weights");
        long gathered = plan.gatheredLayers();
        Arena gatheredLayers = gathered == 0 ? baseWeights : add(gathered, "the layers that ranks gather");
        Arena embeddings = add(plan.embeddings(), "the embeddings");
        Arena adapter = add(plan.adapter(), "the adapter");
        Arena gradients = add(plan.gradients(), "the adapter's gradients");
        Arena optimizerState = add(plan.optimizerState(), "the optimizer state");
        return new SessionBuffers.Arenas(
                baseWeights,
                gatheredLayers,
                embeddings,
                host(plan.hostEmbedding(), "the token embedding", embeddings),
                adapter,
                gradients,
                optimizerState,
                host(plan.hostOptimizerState(), "the optimizer state", optimizerState));
    }

    private Arena host(long bytes, String purpose, Arena ifNone) {
        return bytes == 0 ? ifNone : addHost(bytes, purpose);
    }

    /** One more allocation in the host's memory, where that is apart. */
    public Arena addHost(long bytes, String purpose) {
        return opened(new Arena(device.allocateHost(bytes, purpose)));
    }

    /** A queue of pages. */
    public PageQueue pageQueue(int slots) {
        PageQueue queue = device.pageQueue(slots);
        closing.push(queue::close);
        return queue;
    }

    private Arena opened(Arena arena) {
        closing.push(arena::close);
        return arena;
    }

    /** One more allocation. */
    public Arena add(long bytes, String purpose) {
        return opened(new Arena(device.allocate(bytes, purpose)));
    }

    @Override
    public void close() {
        while (!closing.isEmpty()) {
            closing.pop().run();
        }
    }
}
