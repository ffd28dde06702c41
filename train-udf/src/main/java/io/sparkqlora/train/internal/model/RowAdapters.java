// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.train.internal.linear.DropoutMasks;
import io.sparkqlora.train.internal.linear.LoraGroup;
import io.sparkqlora.train.internal.linear.LoraSegments;
import java.util.List;
import java.util.function.Function;

/**
 * Which adapter each row of a micro-batch has. All are of one shape.
 *
 * @param rows one after another, covering the micro-batch; none where the base runs alone
 */
record RowAdapters(List<Rows> rows) {

    /**
     * Rows of one adapter.
     *
     * @param from the first
     * @param to the one after the last
     * @param masks dropout, or null for none
     */
    record Rows(long from, long to, ModelAdapter adapter, DropoutMasks masks) {}

    /** The adapters of one decoder layer, null where it has none. */
    record Layer(LoraSegments qkv, LoraSegments o, LoraSegments gateUp, LoraSegments down) {}

    RowAdapters {
        rows = List.copyOf(rows);
    }

    /** One adapter for all rows, without dropout; null for the base alone. */
    static RowAdapters all(ModelAdapter adapter, long count) {
        return new RowAdapters(adapter == null ? List.of() : List.of(new Rows(0, count, adapter, null)));
    }

    /** The adapters of a layer. */
    Layer layer(int index) {
        return new Layer(
                segments(adapter -> adapter.layers().get(index).qkv()),
                segments(adapter -> adapter.layers().get(index).o()),
                segments(adapter -> adapter.layers().get(index).gateUp()),
                segments(adapter -> adapter.layers().get(index).down()));
    }

    /** The adapters of the output projection, for as many rows of its own. */
    LoraSegments lmHead() {
        return segments(ModelAdapter::lmHead);
    }

    /** What they are at one place; null if there is none, as then no adapter has any there. */
    private LoraSegments segments(Function<ModelAdapter, LoraGroup> place) {
        if (rows.isEmpty() || place.apply(rows.get(0).adapter()) == null) {
            return null;
        }
        return new LoraSegments(rows.stream()
                .map(r -> new LoraSegments.Segment(r.from(), r.to(), place.apply(r.adapter()), r.masks()))
                .toList());
    }
}
