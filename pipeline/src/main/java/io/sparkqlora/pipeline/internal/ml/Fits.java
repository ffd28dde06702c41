// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.storage.StorageLevel;

/**
 * Trains what is asked for: fits that go together as one run, others one after another, since they would share a device.
 *
 * <p>MLlib's tuning calls {@code fit} for each point of its grid in threads of their own, so fits are gathered as databases gather
 * commits: who comes first reads the rows, which takes its time, and who comes meanwhile with the same rows is trained along.
 * How many are gathered decides how fast it goes, not what is trained.
 */
public final class Fits {

    private static final List<Gathering> OPEN = new ArrayList<>();
    private static final long QUIET_MILLIS = 3000;
    /** Of the threads of CrossValidator, TrainValidationSplit and other tuners ({@code HasParallelism}). */
    private static final Pattern TUNER = Pattern.compile("\\w+-thread-pool-\\d+");

    private static final ReentrantLock TRAINING = new ReentrantLock(true);

    private Fits() {}

    /** Trains a fit, along with those that other threads ask for meanwhile. */
    public static FittedAdapter together(Fit fit) {
        Gathering gathering;
        synchronized (OPEN) {
            gathering = Gathering.join(OPEN, fit);
            OPEN.notifyAll();
        }
        if (gathering.takeLead()) {
            gathering.complete(() -> train(gathering));
        }
        return gathering.trained().of(fit);
    }

    private static Trained train(Gathering gathering) {
        TRAINING.lock();
        try {
            return reading(gathering.rows(), () -> {
                if (TUNER.matcher(Thread.currentThread().getName()).matches()) {
                    awaitQuiet(gathering);
                }
                return Trained.of(close(gathering));
            });
        } finally {
            close(gathering);
            TRAINING.unlock();
        }
    }

    private static void awaitQuiet(Gathering gathering) {
        synchronized (OPEN) {
            long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(QUIET_MILLIS);
            int there = gathering.fits().size();
            for (long left = QUIET_MILLIS; left > 0; left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime())) {
                try {
                    OPEN.wait(left);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    return;
                }
                if (gathering.fits().size() > there) {
                    there = gathering.fits().size();
                    end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(QUIET_MILLIS);
                }
            }
        }
    }

    /** Nobody comes any more. */
    private static List<Fit> close(Gathering gathering) {
        synchronized (OPEN) {
            OPEN.remove(gathering);
            return gathering.fits();
        }
    }

    /** Trains fits that are all there; gives the adapters in their order. */
    public static List<FittedAdapter> all(List<Fit> fits) {
        List<Gathering> gatherings = new ArrayList<>();
        List<Gathering> ofFits = new ArrayList<>();
        for (Fit fit : fits) {
            ofFits.add(Gathering.join(gatherings, fit));
        }
        gatherings.forEach(each -> each.complete(() -> train(each)));
        List<FittedAdapter> adapters = new ArrayList<>();
        for (int i = 0; i < fits.size(); i++) {
            adapters.add(ofFits.get(i).trained().of(fits.get(i)));
        }
        return adapters;
    }

    /** With rows that are computed once, however many are trained on them. */
    private static Trained reading(Dataset<Row> rows, Supplier<Trained> training) {
        boolean cached = !rows.storageLevel().equals(StorageLevel.NONE());
        if (!cached) {
            rows.persist(StorageLevel.MEMORY_AND_DISK());
        }
        try {
            rows.count();
            return training.get();
        } finally {
            if (!cached) {
                rows.unpersist();
            }
        }
    }
}
