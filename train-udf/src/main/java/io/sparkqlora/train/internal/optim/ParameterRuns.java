// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.optim;

import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.AdapterLayout.Role;
import io.sparkqlora.train.internal.linear.AdapterLayout.Slot;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** An adapter's flat buffers, cut where parameters of another learning rate or decay begin. */
final class ParameterRuns {

    /** The group of all parameters, or of the {@code A}s and of matrices that are trained whole. */
    static final int A = 0;

    /** The group of the {@code B}s, where they have a learning rate of their own, and of what PEFT puts to them. */
    static final int B = 1;

    /** The group of biases and norms, which transformers doesn't decay; PEFT's LoRA+ does. */
    static final int UNDECAYED = 2;

    /**
     * Neighbours that are updated alike.
     *
     * @param from the first element
     * @param to the one after the last
     */
    record Run(long from, long to, int group) {}

    private ParameterRuns() {}

    /** Everything, in order. */
    static List<Run> of(AdapterLayout layout, boolean apart) {
        List<Run> runs = new ArrayList<>();
        List<Slot> slots = layout.slots().stream()
                .sorted(Comparator.comparingLong(Slot::start))
                .toList();
        for (Slot slot : slots) {
            int group = group(slot, apart);
            Run last = runs.isEmpty() ? null : runs.get(runs.size() - 1);
            if (last != null && last.group() == group) {
                runs.set(runs.size() - 1, new Run(last.from(), slot.start() + slot.size(), group));
            } else {
                runs.add(new Run(slot.start(), slot.start() + slot.size(), group));
            }
        }
        Run last = runs.get(runs.size() - 1);
        runs.set(runs.size() - 1, new Run(last.from(), layout.size(), last.group()));
        return runs;
    }

    static int group(Slot slot, boolean apart) {
        if (apart) {
            return slot.role() == Role.B || slot.role().vector() ? B : A;
        }
        return slot.role() == Role.BIAS || slot.role() == Role.NORM ? UNDECAYED : A;
    }
}
