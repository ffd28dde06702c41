// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ExtensionContext.Store;
import org.junit.jupiter.api.extension.TestWatcher;

/** Says once, after the last test, how many were skipped and why: a test that did not run must not look like one that passed. */
public final class SkippedTests implements TestWatcher {

    @Override
    public void testAborted(ExtensionContext context, Throwable cause) {
        context.getRoot()
                .getStore(Namespace.create(SkippedTests.class))
                .getOrComputeIfAbsent(Counts.class, key -> new Counts(), Counts.class)
                .add(cause.getMessage());
    }

    /** Closed by JUnit at the end. */
    private static final class Counts implements Store.CloseableResource {

        private final Map<String, Integer> byReason = new TreeMap<>();

        private synchronized void add(String reason) {
            byReason.merge(reason, 1, Integer::sum);
        }

        @Override
        public synchronized void close() {
            byReason.forEach((reason, count) -> System.err.println("SKIPPED " + count + " TESTS: " + reason));
        }
    }
}
