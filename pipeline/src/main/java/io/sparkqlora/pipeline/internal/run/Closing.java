// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import java.util.List;

/** Closes what belongs together, last opened first; the first failure is the one that is thrown. */
public final class Closing {

    private Closing() {}

    /** Closes all of them. */
    public static void all(List<? extends AutoCloseable> opened) {
        RuntimeException failure = close(opened, null);
        if (failure != null) {
            throw failure;
        }
    }

    /** Closes all of them because of a failure, which is returned with what else went wrong attached. */
    public static RuntimeException afterFailure(RuntimeException failure, List<? extends AutoCloseable> opened) {
        return close(opened, failure);
    }

    private static RuntimeException close(List<? extends AutoCloseable> opened, RuntimeException before) {
        RuntimeException failure = before;
        for (int i = opened.size() - 1; i >= 0; i--) {
            try {
                opened.get(i).close();
            } catch (Exception e) {
                failure = combined(failure, e);
            }
        }
        return failure;
    }

    private static RuntimeException combined(RuntimeException first, Exception next) {
        if (first == null) {
            return next instanceof RuntimeException e ? e : new IllegalStateException(next);
        }
        first.addSuppressed(next);
        return first;
    }
}
