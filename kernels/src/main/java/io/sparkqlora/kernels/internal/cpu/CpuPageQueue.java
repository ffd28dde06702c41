// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.PageQueue;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import java.util.List;

/** Copies at once: all memory is the host's. */
final class CpuPageQueue implements PageQueue {

    @Override
    public void in(int slot, List<Tensor> host, List<Tensor> device) {
        copy(host, device);
    }

    @Override
    public void await(int slot) {}

    @Override
    public void out(int slot, List<Tensor> device, List<Tensor> host) {
        copy(device, host);
    }

    private static void copy(List<Tensor> from, List<Tensor> to) {
        for (int i = 0; i < from.size(); i++) {
            Checks.contiguous(from.get(i));
            Checks.vector(to.get(i), from.get(i).dtype(), from.get(i).size());
            Native.copy(from.get(i).address(), to.get(i).address(), from.get(i).bytes());
        }
    }

    @Override
    public void finish() {}

    @Override
    public void close() {}
}
