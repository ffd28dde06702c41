// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.observe;

import com.codahale.metrics.Gauge;
import com.codahale.metrics.MetricRegistry;
import io.sparkqlora.train.StepMetrics;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What this process's last step said, for the gauges of {@link io.sparkqlora.pipeline.QLoraPlugin}. */
public final class ExecutorNumbers {

    private static final Logger LOG = LoggerFactory.getLogger(ExecutorNumbers.class);
    private static final Numbers NONE = new Numbers(0, 0, 0, 0);

    private static volatile Numbers last = NONE;

    private ExecutorNumbers() {}

    private record Numbers(long step, double loss, double tokensPerSecond, long deviceBytes) {}

    /**
     * A step is done.
     *
     * @param m the step's metrics
     * @param deviceBytes the most device memory so far
     */
    public static void step(StepMetrics m, long deviceBytes) {
        last = new Numbers(m.step(), m.loss(), m.numTokens() / m.seconds(), deviceBytes);
        LOG.debug("step {}: loss {}, {} tokens, {} s", m.step(), m.loss(), m.numTokens(), m.seconds());
    }

    /** Nothing is resident any more. */
    public static void clear() {
        last = NONE;
    }

    /** Adds the gauges to a registry. */
    public static void register(MetricRegistry registry) {
        registry.register("step", (Gauge<Long>) () -> last.step());
        registry.register("loss", (Gauge<Double>) () -> last.loss());
        registry.register("tokensPerSecond", (Gauge<Double>) () -> last.tokensPerSecond());
        registry.register("deviceBytes", (Gauge<Long>) () -> last.deviceBytes());
    }
}
