// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.AdapterBuffers;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.Batch;
import io.sparkqlora.train.internal.model.BatchPart;
import io.sparkqlora.train.internal.model.HostBatch;
import io.sparkqlora.train.internal.model.MicroBatch;
import io.sparkqlora.train.internal.model.ModelForward;
import io.sparkqlora.train.internal.model.Recordings;
import io.sparkqlora.train.internal.step.SessionBuffers;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Looks into a session: logits and gradients, which its public face does not show. */
final class Probe {

    private Probe() {}

    /** F32 logits of every token, row after row. */
    static float[] logits(TrainingSession session, List<PackedRow> rows, boolean withAdapter) {
        SessionBuffers buffers = session.buffers();
        Pass pass = session.pass();
        long mark = pass.arena().mark();
        HostBatch host = HostBatch.of(rows, session.spec().model().vocabSize());
        Batch batch = Batch.upload(pass, buffers.rope(), host);
        ModelForward forward = new ModelForward(
                pass, buffers.model(), withAdapter ? buffers.slot().views() : null, buffers.rope());
        Tensor hidden = forward.hidden(batch);
        int[] all = IntStream.range(0, host.tokens()).toArray();
        Tensor logits = forward.logits(hidden, Batch.upload(pass, all)[0]);
        float[] out = read(session.device(), logits);
        pass.arena().release(mark);
        return out;
    }

    /** Gradients of the mean loss by PEFT's names. */
    static Map<String, float[]> gradients(
            TrainingSession session, List<List<PackedRow>> microBatches, DropoutMasks.Draw masks) {
        accumulate(session, microBatches, masks);
        AdapterBuffers adapter = session.buffers().slot().buffers();
        Map<String, float[]> out = new LinkedHashMap<>();
        adapter.read(session.device(), adapter.gradients())
                .forEach(tensor -> out.put(tensor.name(), ParityModel.floats(tensor)));
        return out;
    }

    /** The mean loss as a step computes it, dropout and all; fills the gradients. */
    static double accumulate(TrainingSession session, List<List<PackedRow>> microBatches, DropoutMasks.Draw masks) {
        float smoothing = (float) session.arguments().labelSmoothingFactor();
        SessionBuffers buffers = session.buffers();
        session.device().ops().elementwise().zero(buffers.slot().buffers().gradients());
        MicroBatch micro = new MicroBatch(
                session.pass(),
                buffers.model(),
                buffers.rope(),
                session.spec().recompute(),
                new Recordings(session.device()));
        long targets = microBatches.stream().mapToLong(HostBatch::countTargets).sum();
        Pass pass = session.pass();
        long mark = pass.arena().mark();
        Tensor sum = pass.arena().take(DType.F64, 1, 1);
        pass.ops().elementwise().zero(sum);
        for (List<PackedRow> rows : microBatches) {
            HostBatch host = HostBatch.of(rows, session.spec().model().vocabSize());
            micro.run(List.of(new BatchPart(host, buffers.slot().views(), masks, smoothing, 1f / targets, sum)));
        }
        ByteBuffer bytes = ByteBuffer.allocateDirect(Double.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        session.device().copyOut(sum, bytes);
        pass.arena().release(mark);
        return bytes.getDouble(0) / targets;
    }

    private static float[] read(Device device, Tensor tensor) {
        ByteBuffer bytes = ByteBuffer.allocateDirect((int) tensor.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        device.copyOut(tensor, bytes);
        float[] out = new float[(int) tensor.size()];
        bytes.asFloatBuffer().get(out);
        return out;
    }
}
