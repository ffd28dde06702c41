// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.Tensor;

/** Chooses the kernels of attention: Hopper's where they fit, the general ones for bf16, the plain ones for the rest. */
final class CudaAttention implements Attention {

    private static final int WIDEST = 256;

    private final HopperAttention hopper;
    private final GeneralAttention general;
    private final PlainAttention plain;

    /** @param maps null where the chip is no Hopper */
    CudaAttention(
            CudaContext context,
            Launcher launcher,
            CudaKernel.Library library,
            Workspace workspace,
            TensorMaps maps,
            Handles.Stream stream) {
        this.plain = new PlainAttention(launcher, library, workspace);
        this.general = new GeneralAttention(launcher, library, plain, context.sharedBytes());
        this.hopper = maps == null
                ? null
                : new HopperAttention(context.multiprocessors(), launcher, library, workspace, maps, stream);
    }

    @Override
    public void forward(
            Tensor q, Tensor k, Tensor v, Sequences sequences, Settings settings, Tensor out, Tensor logSumExp) {
        AttentionCall call = new AttentionCall(q, k, v, out, logSumExp, sequences, settings, null, null, null, null);
        check(settings);
        if (hopper != null && hopper.fits(call)) {
            hopper.forward(call);
        } else if (general.fits(call)) {
            general.forward(call);
        } else {
            plain.forward(call);
        }
    }

    @Override
    public void backward(
            Tensor dOut,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor out,
            Tensor logSumExp,
            Sequences sequences,
            Settings settings,
            Tensor dq,
            Tensor dk,
            Tensor dv) {
        AttentionCall call = new AttentionCall(q, k, v, out, logSumExp, sequences, settings, dOut, dq, dk, dv);
        check(settings);
        if (hopper != null && hopper.fits(call)) {
            hopper.backward(call);
        } else if (general.fits(call)) {
            general.backward(call);
        } else {
            plain.backward(call);
        }
    }

    private static void check(Settings settings) {
        if (settings.headDim() > WIDEST) {
            throw KernelErrors.headTooWide(settings.headDim(), WIDEST);
        }
    }
}
