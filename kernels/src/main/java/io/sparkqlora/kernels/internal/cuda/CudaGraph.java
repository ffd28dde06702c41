// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.Recording;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUresult;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;

/**
 * Launches captured from the stream. The arguments of its launches are fixed: what changes between runs lies in device memory.
 */
final class CudaGraph implements Recording {

    /** Set to false to launch every kernel by itself; for measuring, and where a driver has trouble with graphs. */
    static final String ENABLED = "io.sparkqlora.cuda.graph";

    private final CudaContext context;
    private final Handles.Stream stream;
    private final Runnable operations;
    private final BooleanSupplier oneByOne;
    private final LongSupplier frees;
    private final long freesBefore;
    private final CUgraphExec graph = new CUgraphExec();
    private boolean closed;

    /**
     * Captures.
     *
     * @param operations what is captured
     * @param oneByOne whether launches must be issued one by one now, since they are being timed
     * @param frees counts the pieces of memory that were freed
     */
    CudaGraph(
            CudaContext context,
            Handles.Stream stream,
            Runnable operations,
            BooleanSupplier oneByOne,
            LongSupplier frees) {
        this.context = context;
        this.stream = stream;
        this.operations = operations;
        this.oneByOne = oneByOne;
        this.frees = frees;
        this.freesBefore = frees.getAsLong();
        context.enter();
        instantiate(capture());
    }

    private CUgraph capture() {
        check(
                JCudaDriver.cuStreamBeginCapture(stream, CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
                "cuStreamBeginCapture");
        CUgraph captured = new CUgraph();
        boolean issued = false;
        try {
            operations.run();
            issued = true;
        } catch (QLoraException e) {
            throw KernelErrors.notRecorded("an operation", e.getMessage(), ENABLED, e);
        } finally {
            if (!issued) {
                JCudaDriver.cuStreamEndCapture(stream, captured); // or the stream stays in capture mode
            }
        }
        check(JCudaDriver.cuStreamEndCapture(stream, captured), "cuStreamEndCapture");
        return captured;
    }

    private void instantiate(CUgraph captured) {
        int code = JCudaDriver.cuGraphInstantiate(graph, captured, 0);
        JCudaDriver.cuGraphDestroy(captured);
        check(code, "cuGraphInstantiate");
    }

    private static void check(int code, String call) {
        if (code != CUresult.CUDA_SUCCESS) {
            throw KernelErrors.notRecorded(call, Driver.name(code), ENABLED, null);
        }
    }

    @Override
    public void run() {
        if (closed || stale()) {
            throw new IllegalStateException("a recording that was closed, or whose memory may be gone, can't be run");
        }
        if (oneByOne.getAsBoolean()) {
            operations.run();
            return;
        }
        context.enter();
        Driver.check(JCudaDriver.cuGraphLaunch(graph, stream), "launching a graph");
    }

    @Override
    public boolean stale() {
        return frees.getAsLong() != freesBefore;
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            if (!context.lost()) {
                context.enter();
                Driver.check(JCudaDriver.cuGraphExecDestroy(graph), "cuGraphExecDestroy");
            }
        }
    }
}
