// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.optim;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.AdapterLayout.Slot;
import io.sparkqlora.train.internal.linear.ExpectedTensor;
import io.sparkqlora.train.internal.optim.Moments.View;
import io.sparkqlora.train.internal.optim.Page.Scalars;
import java.util.ArrayList;
import java.util.List;

/** Moments in F32, laid out like the adapter. */
final class Moments32bit {

    private Moments32bit() {}

    static Moments take(AdapterLayout layout, Arena home, long pageBytes) {
        Tensor m = home.take(DType.F32, 1, layout.size());
        Tensor v = home.take(DType.F32, 1, layout.size());
        List<Page> pages = new ArrayList<>();
        long elements = pageBytes / (2 * Float.BYTES);
        for (long from = 0; from < layout.size(); from += elements) {
            long to = Math.min(layout.size(), from + elements);
            pages.add(page(from, to, m.colRange(from, to), v.colRange(from, to)));
        }
        List<View> views = new ArrayList<>();
        List<Tensor> moments = List.of(m, v);
        for (int i = 0; i < moments.size(); i++) {
            for (Slot slot : layout.slots()) {
                String name = Moments.PREFIXES.get(i) + slot.name();
                views.add(new View(name, slot.in(moments.get(i)), ExpectedTensor.shape(slot)));
            }
        }
        return new Moments(pages, views, moments, List.of());
    }

    static Page page(long from, long to, Tensor m, Tensor v) {
        return new Page(from, to, List.of(m, v), Moments32bit::update);
    }

    private static void update(Operations ops, Tensor parameter, Tensor gradient, List<Tensor> state, Scalars scalars) {
        ops.adamW().update(parameter, gradient, state.get(0), state.get(1), scalars.normAndScale(), scalars.factors());
    }
}
