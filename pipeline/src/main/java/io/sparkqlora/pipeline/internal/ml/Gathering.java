// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** Fits that are to be one run, until they are. */
final class Gathering {

    private final List<Fit> fits = new ArrayList<>();
    private final AtomicBoolean led = new AtomicBoolean();
    private final CompletableFuture<Trained> trained = new CompletableFuture<>();

    private Gathering() {}

    /** Puts a fit to those of the open gatherings that it goes with, or opens one for it. */
    static Gathering join(List<Gathering> open, Fit fit) {
        for (Gathering each : open) {
            if (fit.goesWith(each.fits.get(0))) {
                each.fits.add(fit);
                return each;
            }
        }
        Gathering opened = new Gathering();
        opened.fits.add(fit);
        open.add(opened);
        return opened;
    }

    /** True once: for whoever sees to it that the fits are trained. */
    boolean takeLead() {
        return led.compareAndSet(false, true);
    }

    List<Fit> fits() {
        return List.copyOf(fits);
    }

    Dataset<Row> rows() {
        return fits.get(0).rows();
    }

    /** Trains, and tells all who wait. */
    void complete(Supplier<Trained> training) {
        try {
            trained.complete(training.get());
        } catch (RuntimeException | Error e) {
            trained.completeExceptionally(e);
        }
    }

    /** What was trained, once it is; or why it was not. */
    Trained trained() {
        try {
            return trained.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw e;
        }
    }
}
