// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.optim;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Lion;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.Sgd;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.Optim;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.AdapterLayout.Slot;
import io.sparkqlora.train.internal.linear.ExpectedTensor;
import io.sparkqlora.train.internal.optim.Moments.View;
import io.sparkqlora.train.internal.optim.Page.Scalars;
import java.util.ArrayList;
import java.util.List;

/** Moments in F32, laid out like the adapter; none at all is also some. */
final class Moments32bit {

    private Moments32bit() {}

    static Moments take(
            Optim.Rule rule, AdapterLayout layout, List<ParameterRuns.Run> runs, Arena home, long pageBytes) {
        List<Tensor> moments = new ArrayList<>();
        for (int i = 0; i < rule.moments(); i++) {
            moments.add(home.take(DType.F32, 1, layout.size()));
        }
        List<View> views = new ArrayList<>();
        for (int i = 0; i < moments.size(); i++) {
            for (Slot slot : layout.slots()) {
                String name = Moments.PREFIXES.get(i) + slot.name();
                views.add(new View(name, slot.in(moments.get(i)), ExpectedTensor.shape(slot)));
            }
        }
        return new Moments(pages(rule, runs, moments, pageBytes), views, moments, List.of());
    }

    private static List<Page> pages(
            Optim.Rule rule, List<ParameterRuns.Run> runs, List<Tensor> moments, long pageBytes) {
        List<Page> pages = new ArrayList<>();
        long elements = pageBytes / ((long) Math.max(1, moments.size()) * Float.BYTES);
        for (ParameterRuns.Run run : runs) {
            for (long from = run.from(); from < run.to(); from += elements) {
                long first = from;
                long end = Math.min(run.to(), from + elements);
                List<Tensor> state =
                        moments.stream().map(m -> m.colRange(first, end)).toList();
                pages.add(page(rule, first, end, run.group(), state));
            }
        }
        return pages;
    }

    static Page page(Optim.Rule rule, long from, long to, int group, List<Tensor> state) {
        Page.Update update =
                switch (rule) {
                    case ADAMW -> Moments32bit::adamW;
                    case LION -> Moments32bit::lion;
                    case SGD -> Moments32bit::sgd;
                };
        return new Page(from, to, group, state, update);
    }

    private static void adamW(Operations ops, Tensor parameter, Tensor gradient, List<Tensor> state, Scalars scalars) {
        ops.adamW().update(parameter, gradient, state.get(0), state.get(1), scalars.normAndScale(), scalars.factors());
    }

    private static void lion(Operations ops, Tensor parameter, Tensor gradient, List<Tensor> state, Scalars scalars) {
        ops.lion().update(parameter, gradient, state.get(0), scalars.normAndScale(), scalars.first(Lion.FACTORS));
    }

    private static void sgd(Operations ops, Tensor parameter, Tensor gradient, List<Tensor> state, Scalars scalars) {
        ops.sgd().update(parameter, gradient, scalars.normAndScale(), scalars.first(Sgd.FACTORS));
    }
}
