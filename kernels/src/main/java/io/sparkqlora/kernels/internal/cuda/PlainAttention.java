// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.Attention.Settings;
import io.sparkqlora.kernels.DType;
import java.util.Map;

/** Attention by attention_plain.cu: f32 arithmetic, any type, heads of up to 256 elements. */
final class PlainAttention {

    private static final String FILE = "attention_plain";
    private static final int WARPS = 4; // rows of a block
    private static final int THREADS = 128;

    private final Launcher launcher;
    private final Workspace workspace;
    private final Map<DType, Kernels> kernels;

    /** Those for tensors of a type of 16 bits, or of F32. */
    private record Kernels(CudaKernel forward, CudaKernel delta, CudaKernel backwardQueries, CudaKernel backwardKeys) {

        static Kernels of(CudaKernel.Library library, DType dtype) {
            String file = Variants.file(FILE, dtype);
            return new Kernels(
                    library.kernel(file, "attention_plain_forward"),
                    library.kernel(file, "attention_plain_delta"),
                    library.kernel(file, "attention_plain_backward_queries"),
                    library.kernel(file, "attention_plain_backward_keys"));
        }
    }

    PlainAttention(Launcher launcher, CudaKernel.Library library, Workspace workspace) {
        this.launcher = launcher;
        this.workspace = workspace;
        Kernels others = Kernels.of(library, DType.F32);
        this.kernels = Map.of(DType.F32, others, DType.BF16, others, DType.F16, Kernels.of(library, DType.F16));
    }

    private Kernels of(AttentionCall call) {
        return kernels.get(call.q().dtype());
    }

    void forward(AttentionCall call) {
        problem(of(call).forward(), call, 0)
                .work(call.flops(2), call.forwardBytes(), call.queries(), call.count(), 0)
                .over(call.queryTiles(WARPS), call.settings().heads(), 1, THREADS);
    }

    void backward(AttentionCall call) {
        long sums = delta(call);
        problem(of(call).backwardQueries(), call, sums)
                .work(call.flops(3), call.backwardBytes(), call.queries(), call.count(), 0)
                .over(call.queryTiles(WARPS), call.settings().heads(), 1, THREADS);
        problem(of(call).backwardKeys(), call, sums)
                .work(call.flops(4), call.backwardBytes(), call.queries(), call.count(), 0)
                .over(call.keyTiles(WARPS), call.settings().kvHeads(), 1, THREADS);
    }

    static long scratchBytes(Settings settings, long queries) {
        return settings.heads() * queries * Float.BYTES;
    }

    /** Σ dO ∘ O of each row and head, [heads][queries] in the work space. */
    long delta(AttentionCall call) {
        int heads = call.settings().heads();
        long sums = workspace.atLeast(scratchBytes(call.settings(), call.queries()));
        problem(of(call).delta(), call, sums)
                .moves(call.out(), call.dOut())
                .over((call.queries() + WARPS - 1L) / WARPS, heads, 1, THREADS);
        return sums;
    }

    private Launcher problem(CudaKernel kernel, AttentionCall call, long sums) {
        Settings settings = call.settings();
        return launcher.of(kernel)
                .structure()
                .matrix(call.q())
                .matrix(call.k())
                .matrix(call.v())
                .matrix(call.out())
                .matrix(call.dOut())
                .matrix(call.dq())
                .matrix(call.dk())
                .matrix(call.dv())
                .address(call.logSumExp())
                .address(sums)
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
}
