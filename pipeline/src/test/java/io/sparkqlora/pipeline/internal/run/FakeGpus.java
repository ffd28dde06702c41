// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.spark.TaskContext;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;

/**
 * A plugin whose executors have GPUs in name: what is opened as one is a CPU, and a file says which task opened it. The setting
 * {@link #FOLDER} says where.
 */
public final class FakeGpus implements SparkPlugin {

    /** Setting of Spark: where the files go. */
    public static final String FOLDER = "spark.qlora.test.gpus";

    /**
     * A device that was opened.
     *
     * @param name such as cuda:1
     * @param stage of the task
     * @param partition of the task
     */
    public record Opened(String name, int stage, int partition) {}

    /** What was opened so far. */
    public static List<Opened> opened(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString().split("_"))
                    .map(parts -> new Opened(parts[0], Integer.parseInt(parts[1]), Integer.parseInt(parts[2])))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public DriverPlugin driverPlugin() {
        return null;
    }

    @Override
    public ExecutorPlugin executorPlugin() {
        return new ExecutorPlugin() {
            @Override
            public void init(PluginContext context, Map<String, String> settings) {
                Path folder = Path.of(context.conf().get(FOLDER));
                RunDevices.openWith(name -> name.startsWith("cuda") ? open(folder, name) : Devices.open(name));
            }
        };
    }

    private static Device open(Path folder, String name) {
        TaskContext task = TaskContext.get();
        try {
            Files.createFile(
                    folder.resolve(name + "_" + task.stageId() + "_" + task.partitionId() + "_" + UUID.randomUUID()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return named(name, Devices.open("cpu"));
    }

    private static Device named(String name, Device device) {
        return (Device) Proxy.newProxyInstance(
                Device.class.getClassLoader(), new Class<?>[] {Device.class}, (self, method, arguments) -> {
                    try {
                        return method.getName().equals("name") ? name : method.invoke(device, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }
}
