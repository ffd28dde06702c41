// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.GroupSpec;
import io.sparkqlora.train.internal.model.ModelLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * The flat gradient buffer in pieces that are added up over the ranks one after another, in the order in which backward
 * finishes them: from the output projection down. They are a function of the adapter alone, and so is the order of the sums.
 */
record GradientPieces(List<Piece> pieces) {

    /** Smaller ones go with the next: a piece takes 2·(N − 1) messages, each as long on its way as some hundred KiB. */
    private static final long LEAST = 64 << 10;

    /** Larger ones, which modules that are trained whole make, are cut: each is in a buffer of the host. */
    private static final long MOST = 64L << 20;

    /**
     * Neighbouring elements.
     *
     * @param layer that backward must have left for them to be final
     * @param from the first
     * @param to the one after the last
     */
    record Piece(int layer, long from, long to) {

        long size() {
            return to - from;
        }
    }

    GradientPieces {
        pieces = List.copyOf(pieces);
    }

    static GradientPieces of(ModelLayout layout, AdapterLayout adapter) {
        List<Piece> pieces = new ArrayList<>();
        long end = adapter.size();
        for (int layer = layout.layers().size() - 1; layer >= 0; layer--) {
            long start =
                    layer == 0 ? 0 : start(adapter, layout.layers().get(layer).groups());
            if (start >= 0 && end > start && (layer == 0 || end - start >= LEAST)) {
                for (; end > start; end = Math.max(start, end - MOST)) {
                    pieces.add(new Piece(layer, Math.max(start, end - MOST), end));
                }
            }
        }
        return new GradientPieces(pieces);
    }

    private static long start(AdapterLayout adapter, List<GroupSpec> groups) {
        return groups.stream()
                .mapToLong(adapter::start)
                .filter(start -> start >= 0)
                .findFirst()
                .orElse(-1);
    }

    long largest() {
        return pieces.stream().mapToLong(Piece::size).max().orElse(0);
    }
}
