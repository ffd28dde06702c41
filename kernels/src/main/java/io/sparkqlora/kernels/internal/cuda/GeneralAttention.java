// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.Attention.Settings;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** Attention by attention.cu: 16 bits, heads of up to 256 elements, any chip since sm_80 whose blocks have the shared memory. */
final class GeneralAttention {

    private static final int ROWS = 64; // of a block
    private static final int QUERIES = 32; // at a time, for the gradients of keys
    private static final int COLUMNS = 128; // that a warp sums up
    private static final int THREADS = 128; // for each such part of a head

    private final Launcher launcher;
    private final PlainAttention plain;
    private final int sharedBytes;
    private final Map<DType, List<Width>> widths;

    /** The kernels for heads of up to {@code size} elements. */
    private record Width(int size, CudaKernel forward, CudaKernel backwardQueries, CudaKernel backwardKeys) {

        static Width of(CudaKernel.Library library, String file, int size) {
            int tile = ROWS * size * 2;
            return new Width(
                    size,
                    library.kernel(file, "attention_forward_" + size, 5 * tile),
                    library.kernel(file, "attention_backward_queries_" + size, 6 * tile),
                    library.kernel(file, "attention_backward_keys_" + size, 2 * tile + 4 * QUERIES * size * 2));
        }

        int threads() {
            return THREADS * Math.max(1, size / COLUMNS);
        }

        boolean fits(int headDim, int available) {
            return headDim <= size && backwardQueries.sharedBytes() <= available;
        }
    }

    /** @param sharedBytes that a block may have */
    GeneralAttention(Launcher launcher, CudaKernel.Library library, PlainAttention plain, int sharedBytes) {
        this.launcher = launcher;
        this.plain = plain;
        this.sharedBytes = sharedBytes;
        this.widths = Map.of(DType.BF16, widths(library, DType.BF16), DType.F16, widths(library, DType.F16));
    }

    private static List<Width> widths(CudaKernel.Library library, DType dtype) {
        return Stream.of(64, 128, 256)
                .map(size -> Width.of(library, Variants.file("attention", dtype), size))
                .toList();
    }

    boolean fits(AttentionCall call) {
        return find(call).isPresent();
    }

    private Optional<Width> find(AttentionCall call) {
        return widths.getOrDefault(call.q().dtype(), List.of()).stream()
                .filter(width -> width.fits(call.settings().headDim(), sharedBytes))
                .findFirst();
    }

    void forward(AttentionCall call) {
        Width width = find(call).orElseThrow();
        problem(width.forward(), call, 0)
                .work(call.flops(2), call.forwardBytes(), call.queries(), call.count(), 0)
                .over(call.queryTiles(ROWS), call.settings().heads(), 1, width.threads());
    }

    void backward(AttentionCall call) {
        long delta = plain.delta(call);
        Settings settings = call.settings();
        Width width = find(call).orElseThrow();
        problem(width.backwardQueries(), call, delta)
                .work(call.flops(3), call.backwardBytes(), call.queries(), call.count(), 0)
                .over(call.queryTiles(ROWS), settings.heads(), 1, width.threads());
        problem(width.backwardKeys(), call, delta)
                .work(call.flops(4), call.backwardBytes(), call.queries(), call.count(), 0)
                .over(call.keyTiles(ROWS), settings.kvHeads(), 1, width.threads());
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
