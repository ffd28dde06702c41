// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.Attention.Settings;
import io.sparkqlora.kernels.Tensor;

/** Attention by attention.cu: bf16, heads of up to 128 elements, any chip since sm_80. */
final class GeneralAttention {

    private static final String FILE = "attention";
    private static final int ROWS = 64; // of a block
    private static final int QUERIES = 32; // at a time, for the gradients of keys
    private static final int THREADS = 128;

    private final Launcher launcher;
    private final PlainAttention plain;
    private final Width narrow;
    private final Width wide;

    /** The kernels for heads of up to {@code size} elements. */
    private record Width(CudaKernel forward, CudaKernel backwardQueries, CudaKernel backwardKeys) {

        static Width of(CudaKernel.Library library, int size) {
            int tile = ROWS * size * 2;
            return new Width(
                    library.kernel(FILE, "attention_forward_" + size, 5 * tile),
                    library.kernel(FILE, "attention_backward_queries_" + size, 6 * tile),
                    library.kernel(FILE, "attention_backward_keys_" + size, 2 * tile + 4 * QUERIES * size * 2));
        }
    }

    GeneralAttention(Launcher launcher, CudaKernel.Library library, PlainAttention plain) {
        this.launcher = launcher;
        this.plain = plain;
        this.narrow = Width.of(library, 64);
        this.wide = Width.of(library, 128);
    }

    private Width width(AttentionCall call) {
        return call.settings().headDim() <= 64 ? narrow : wide;
    }

    void forward(AttentionCall call) {
        problem(width(call).forward(), call, 0)
                .work(call.flops(2), call.forwardBytes(), call.queries(), call.count(), 0)
                .over(call.queryTiles(ROWS), call.settings().heads(), 1, THREADS);
    }

    void backward(AttentionCall call) {
        long delta = plain.delta(call);
        Settings settings = call.settings();
        problem(width(call).backwardQueries(), call, delta)
                .work(call.flops(3), call.backwardBytes(), call.queries(), call.count(), 0)
                .over(call.queryTiles(ROWS), settings.heads(), 1, THREADS);
        problem(width(call).backwardKeys(), call, delta)
                .work(call.flops(4), call.backwardBytes(), call.queries(), call.count(), 0)
                .over(call.keyTiles(ROWS), settings.kvHeads(), 1, THREADS);
    }

    private Launcher problem(CudaKernel kernel, AttentionCall call, long delta) {
        Settings settings = call.settings();
        launcher.of(kernel).structure();
        for (Tensor rows :
                new Tensor[] {call.q(), call.k(), call.v(), call.out(), call.dOut(), call.dq(), call.dk(), call.dv()}) {
            rows(rows, settings.headDim());
        }
        return launcher.address(call.logSumExp())
                .address(delta)
                .address(call.sequences().deviceQueryStarts())
                .address(call.sequences().deviceKeyStarts())
                .number(call.count())
                .number(call.queries())
                .number(settings.heads())
                .number(settings.heads() / settings.kvHeads())
                .number(settings.headDim())
                .number(settings.window())
                .number(settings.scale())
                .number(settings.softCap())
                .end();
    }

    /** A pointer, a stride, whether the rows of every head begin at multiples of 16 bytes, and the gap that C leaves. */
    private void rows(Tensor tensor, int headDim) {
        boolean aligned = tensor != null && Rectangle.aligned(tensor) && headDim % 8 == 0;
        launcher.address(tensor == null ? 0 : tensor.address())
                .number(tensor == null ? 0L : tensor.rowStride())
                .number(aligned ? 1L : 0L);
    }
}
