// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.pipeline.internal.observe.ExecutorNumbers;
import io.sparkqlora.pipeline.internal.run.RunDevices;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;
import org.apache.spark.resource.ResourceInformation;

/**
 * Adds gauges to the metrics of each executor, for whatever sink the cluster has ({@code spark.metrics.conf.*}):
 * {@code step}, {@code loss}, {@code tokensPerSecond} and {@code deviceBytes} (the most so far), all of the last step there
 * and 0 when nothing is trained. Switch it on with {@code spark.plugins=io.sparkqlora.pipeline.QLoraPlugin}, beside other
 * plugins if there are any.
 *
 * <p>It also hears which GPUs Spark gave the executor, for tasks that ask for none of their own.
 */
public final class QLoraPlugin implements SparkPlugin {

    @Override
    public DriverPlugin driverPlugin() {
        return null;
    }

    @Override
    public ExecutorPlugin executorPlugin() {
        return new ExecutorPlugin() {
            @Override
            public void init(PluginContext context, Map<String, String> settings) {
                ExecutorNumbers.register(context.metricRegistry());
                ResourceInformation gpus = context.resources().get("gpu");
                RunDevices.executorHas(gpus == null ? List.of() : List.of(gpus.addresses()));
            }
        };
    }
}
