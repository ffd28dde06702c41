// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.PageQueue;
import io.sparkqlora.train.BaseLoading;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.decompose.DecomposedBase;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.BaseLoader;
import io.sparkqlora.train.internal.optim.MomentUpdate;
import java.util.Map;

/**
 * A session's memory with the base in it. Adapters are prepared, but not initialised.
 *
 * @param arenas all of it; whoever loads closes them
 * @param buffers what lives between steps
 * @param pass of steps and evaluations
 * @param pages for moments that are kept in the host's memory; null if they are not
 * @param loading how the base was loaded
 * @param start what an adapter begins with of what the base was taken apart into, by name
 */
public record LoadedSession(
        SessionArenas arenas,
        SessionBuffers buffers,
        Pass pass,
        PageQueue pages,
        BaseLoading loading,
        Map<String, NamedTensor> start) {

    /**
     * Allocates what the plan says and loads the base; leaves nothing behind if that fails.
     *
     * @param part of a sharded base that this rank keeps; 0 of one that is whole
     */
    public static LoadedSession load(
            Device device, SessionSpec spec, SessionPlan plan, WeightSource weights, int part) {
        SessionArenas arenas = new SessionArenas(device);
        try {
            return load(device, spec, plan, weights, part, arenas);
        } catch (RuntimeException | Error e) {
            arenas.close();
            throw e;
        }
    }

    private static LoadedSession load(
            Device device, SessionSpec spec, SessionPlan plan, WeightSource weights, int part, SessionArenas arenas) {
        device.reserve(plan.workspace());
        SessionBuffers buffers = SessionBuffers.take(spec, arenas.allocate(plan));
        DecomposedBase decomposed = spec.decomposed();
        BaseLoading loading = BaseLoader.load(device, weights, buffers.model(), part, decomposed);
        buffers.rope().fill(device, spec.model());
        buffers.slots().forEach(slot -> slot.prepare(device));
        Arena step = arenas.add(plan.step(), "the buffers of a step");
        PageQueue pages = plan.hostOptimizerState() > 0 ? arenas.pageQueue(MomentUpdate.SLOTS) : null;
        return new LoadedSession(
                arenas, buffers, new Pass(device, step, spec.compute()), pages, loading, decomposed.start());
    }
}
