// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.Attention.Settings;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import java.util.Map;
import jcuda.driver.JCudaDriver;

/**
 * Attention by attention_sm90.cu, attention_backward_sm90.cu and attention_backward_ends.cu: 16 bits, aligned, heads of 64 or
 * 128 elements. Forward, a block takes one tile after another; backward, blocks run through the heads first, then through the
 * tiles. The kernels count those from the longest on.
 */
final class HopperAttention {

    private static final String FORWARD = "attention_sm90";
    private static final String BACKWARD = "attention_backward_sm90";
    private static final String ENDS = "attention_backward_ends";
    private static final int THREADS = 384;
    private static final int SMALL_THREADS = 256;
    private static final int ROWS = 128; // queries of a block forward, keys of a block backward
    private static final int QUERIES = 64; // of a tile backward
    private static final int FINISHED = 4; // times 8 columns of dq, by a thread at the end
    private static final int STAGES = 3; // of queries, backward
    private static final int BARRIERS = 512; // bytes, with the gap up to a multiple of 1024

    private final int multiprocessors;
    private final Launcher launcher;
    private final Workspace workspace;
    private final Handles.Stream stream;
    private final TensorMaps maps;
    private final Map<DType, Widths> widths;

    private record Widths(Width of64, Width of128) {

        static Widths of(CudaKernel.Library library, DType dtype) {
            return new Widths(Width.of(library, dtype, 64), Width.of(library, dtype, 128));
        }
    }

    private record Width(
            CudaKernel forward,
            CudaKernel forwardCapped,
            CudaKernel backward,
            CudaKernel backwardCapped,
            CudaKernel delta,
            CudaKernel finish) {

        static Width of(CudaKernel.Library library, DType dtype, int size) {
            int forward = 6 * ROWS * size * 2 + 1024;
            int backward = 2 * ROWS * size * 2
                    + 2 * STAGES * QUERIES * size * 2
                    + 2 * ROWS * QUERIES * 2
                    + QUERIES * size * 4
                    + 2 * STAGES * QUERIES * 4
                    + BARRIERS;
            String forwardFile = Variants.file(FORWARD, dtype);
            String backwardFile = Variants.file(BACKWARD, dtype);
            String endsFile = Variants.file(ENDS, dtype);
            return new Width(
                    library.kernel(forwardFile, "attention_" + size + "_sm90", forward),
                    library.kernel(forwardFile, "attention_" + size + "_cap_sm90", forward),
                    library.kernel(backwardFile, "attention_backward_" + size + "_sm90", backward),
                    library.kernel(backwardFile, "attention_backward_" + size + "_cap_sm90", backward),
                    library.kernel(endsFile, "attention_delta_" + size),
                    library.kernel(endsFile, "attention_finish_dq_" + size));
        }
    }

    HopperAttention(
            int multiprocessors,
            Launcher launcher,
            CudaKernel.Library library,
            Workspace workspace,
            TensorMaps maps,
            Handles.Stream stream) {
        this.multiprocessors = multiprocessors;
        this.launcher = launcher;
        this.workspace = workspace;
        this.stream = stream;
        this.maps = maps;
        this.widths = Map.of(DType.BF16, Widths.of(library, DType.BF16), DType.F16, Widths.of(library, DType.F16));
    }

    static boolean fits(int headDim) {
        return headDim == 64 || headDim == 128;
    }

    boolean fits(AttentionCall call) {
        if (!TensorMaps.narrow(call.q().dtype()) || !fits(call.settings().headDim())) {
            return false;
        }
        for (Tensor tensor :
                new Tensor[] {call.q(), call.k(), call.v(), call.out(), call.dOut(), call.dq(), call.dk(), call.dv()}) {
            if (tensor != null
                    && !(tensor.dtype() == call.q().dtype()
                            && TensorMaps.fits(tensor)
                            && tensor.rowStride() < Integer.MAX_VALUE)) {
                return false;
            }
        }
        return true;
    }

    private Width width(AttentionCall call) {
        Widths ofType = widths.get(call.q().dtype());
        return call.settings().headDim() == 64 ? ofType.of64() : ofType.of128();
    }

    void forward(AttentionCall call) {
        Settings settings = call.settings();
        Width width = width(call);
        launcher.of(settings.softCap() > 0f ? width.forwardCapped() : width.forward())
                .work(call.flops(2), call.forwardBytes(), call.queries(), call.count(), 0)
                .map(maps.of(call.q(), ROWS))
                .map(maps.of(call.k(), ROWS))
                .map(maps.of(call.v(), ROWS))
                .address(call.out())
                .address(call.logSumExp());
        sequences(call).number(Math.toIntExact(call.out().rowStride()));
        launcher.number(settings.heads());
        // as many as fit at once: each takes tiles until there are none
        last(settings).over(multiprocessors, 1, 1, THREADS);
    }

    private Launcher sequences(AttentionCall call) {
        return launcher.address(call.sequences().deviceQueryStarts())
                .address(call.sequences().deviceKeyStarts())
                .number(call.count())
                .number(call.queries());
    }

    private Launcher last(Settings settings) {
        return launcher.number(settings.heads() / settings.kvHeads())
                .number(settings.window())
                .number(settings.scale())
                .number(settings.softCap());
    }

    /** What backward keeps in the work space: a function of the queries, however many sequences they are. */
    static long scratchBytes(Settings settings, long queries) {
        return Scratch.at(0, settings, queries).end();
    }

    /**
     * Where the parts of backward lie in the work space: a number a row and head, turns counted at the first row of each tile,
     * rows of sums.
     */
    private record Scratch(long delta, long turns, long turnBytes, long sums, long end) {

        static Scratch of(AttentionCall call, Workspace workspace) {
            long base = workspace.atLeast(scratchBytes(call.settings(), call.queries()));
            return at(base, call.settings(), call.queries());
        }

        private static Scratch at(long base, Settings settings, long queries) {
            long rows = settings.heads() * queries;
            long bytes = aligned(rows * Float.BYTES);
            long sums = base + 2 * bytes;
            return new Scratch(base, base + bytes, bytes, sums, sums + rows * settings.headDim() * Float.BYTES);
        }

        private static long aligned(long bytes) {
            return (bytes + 255) / 256 * 256;
        }
    }

    void backward(AttentionCall call) {
        Scratch scratch = Scratch.of(call, workspace);
        launcher.work(0, scratch.turnBytes(), scratch.turnBytes(), 0, 0)
                .driver(
                        "filling with zeros",
                        () -> JCudaDriver.cuMemsetD8Async(
                                Handles.at(scratch.turns()), (byte) 0, scratch.turnBytes(), stream));
        delta(call, scratch);
        keys(call, scratch);
        finish(call, scratch);
    }

    private void delta(AttentionCall call, Scratch scratch) {
        long lanes = call.settings().headDim() / 8;
        launcher.of(width(call).delta())
                .moves(call.out(), call.dOut())
                .address(call.out())
                .number(Math.toIntExact(call.out().rowStride()))
                .address(call.dOut())
                .number(Math.toIntExact(call.dOut().rowStride()))
                .address(scratch.delta())
                .number(call.queries());
        launcher.over(
                (call.queries() * lanes + SMALL_THREADS - 1) / SMALL_THREADS,
                call.settings().heads(),
                1,
                SMALL_THREADS);
    }

    private void keys(AttentionCall call, Scratch scratch) {
        Settings settings = call.settings();
        Width width = width(call);
        launcher.of(settings.softCap() > 0f ? width.backwardCapped() : width.backward())
                .work(call.flops(5), call.backwardBytes(), call.queries(), call.count(), 0)
                .map(maps.of(call.q(), QUERIES))
                .map(maps.of(call.k(), ROWS))
                .map(maps.of(call.v(), ROWS))
                .map(maps.of(call.dOut(), QUERIES))
                .address(call.dk())
                .address(call.dv())
                .address(scratch.sums())
                .address(scratch.turns())
                .address(call.logSumExp())
                .address(scratch.delta());
        sequences(call)
                .number(Math.toIntExact(call.dk().rowStride()))
                .number(Math.toIntExact(call.dv().rowStride()));
        last(settings).over(settings.kvHeads(), call.keyTiles(ROWS), 1, THREADS);
    }

    private void finish(AttentionCall call, Scratch scratch) {
        Settings settings = call.settings();
        long blockRows = FINISHED * SMALL_THREADS * 8L / settings.headDim();
        launcher.of(width(call).finish())
                .work(0, 3.0 * call.dq().bytes(), call.queries(), call.count(), 0) // from f32
                .address(scratch.sums())
                .address(call.dq())
                .number(Math.toIntExact(call.dq().rowStride()))
                .number(call.queries())
                .number(settings.scale())
                .over((call.queries() + blockRows - 1) / blockRows, settings.heads(), 1, SMALL_THREADS);
    }
}
