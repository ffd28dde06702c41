// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.observe;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/**
 * Says in every log line of this thread, until it is closed, which run, chunk and rank it belongs to, as the fields
 * {@code run_id}, {@code chunk} and {@code rank} of the logging context. Spark's structured logs
 * ({@code spark.log.structuredLogging.enabled}) have them under {@code context}; a pattern takes {@code %X{run_id}}.
 */
public final class RunLog implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(RunLog.class);
    private static final String RUN_ID = "run_id";
    private static final String CHUNK = "chunk";
    private static final String RANK = "rank";

    private final long start = System.nanoTime();

    private RunLog() {}

    /** A rank's part in a chunk. */
    public static RunLog open(String runId, long chunk, int rank) {
        MDC.put(RUN_ID, runId);
        MDC.put(CHUNK, String.valueOf(chunk));
        MDC.put(RANK, String.valueOf(rank));
        LOG.info("rank {} begins chunk {} of run {}", rank, chunk, runId);
        return new RunLog();
    }

    @Override
    public void close() {
        LOG.info(
                "rank {} ends chunk {} of run {} after {} ms",
                MDC.get(RANK),
                MDC.get(CHUNK),
                MDC.get(RUN_ID),
                (System.nanoTime() - start) / 1_000_000);
        // threads of an executor go on to other tasks
        MDC.remove(RUN_ID);
        MDC.remove(CHUNK);
        MDC.remove(RANK);
    }
}
