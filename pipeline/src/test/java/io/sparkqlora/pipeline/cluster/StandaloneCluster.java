// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.cluster;

import io.sparkqlora.pipeline.FewRows;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.kryo.KryoSettings;
import io.sparkqlora.pipeline.internal.tables.DeltaSettings;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterTestExecutionCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * A Spark standalone cluster for the tests of a class: a master and workers in JVMs of their own, on this machine, with GPUs
 * that only {@code nvidia-smi} shows. Make one a static field with {@code @RegisterExtension}. Everything ends with the class;
 * after a failure the logs stay under {@code target/clusters}.
 *
 * <p>The driver is the test's JVM ({@link #session}) or another process that is given {@link #settings}.
 */
public final class StandaloneCluster implements BeforeAllCallback, AfterTestExecutionCallback, AfterAllCallback {

    private static final String HOST = "127.0.0.1";
    private static final Path SCRIPT =
            Path.of("src/assembly/bin/gpu-discovery.sh").toAbsolutePath();

    private static final Pattern REGISTERED = Pattern.compile("Successfully registered with master");

    private final int gpusPerWorker;
    private final int coresPerWorker;
    private final String mark = "-Dqlora.test.cluster=" + UUID.randomUUID();
    private final List<ClusterProcess> processes = new ArrayList<>();
    private final ClusterProcess[] workers;
    private Path dir;
    private Path sparkHome;
    private String master;
    private final boolean tasksAskForGpus;
    private boolean failed;

    private StandaloneCluster(int workers, int coresPerWorker, int gpusPerWorker, boolean tasksAskForGpus) {
        this.workers = new ClusterProcess[workers];
        this.coresPerWorker = coresPerWorker;
        this.gpusPerWorker = gpusPerWorker;
        this.tasksAskForGpus = tasksAskForGpus;
    }

    /** A cluster of so many workers, each with so many cores and, if any, GPUs that are not there. */
    public static StandaloneCluster of(int workers, int coresPerWorker, int gpusPerWorker) {
        return new StandaloneCluster(workers, coresPerWorker, gpusPerWorker, true);
    }

    /** As {@link #of}, with an executor a worker, which has all that this has, and tasks that ask for no GPU. */
    public static StandaloneCluster ofWholeWorkers(int workers, int coresPerWorker, int gpusPerWorker) {
        return new StandaloneCluster(workers, coresPerWorker, gpusPerWorker, false);
    }

    @Override
    public void beforeAll(ExtensionContext context) throws Exception {
        dir = Files.createDirectories(Path.of("target/clusters").toAbsolutePath())
                .resolve(context.getRequiredTestClass().getSimpleName() + "-"
                        + ProcessHandle.current().pid());
        delete(dir);
        sparkHome = SparkHome.install(Files.createDirectories(dir.resolve("spark")));
        try {
            ClusterProcess started = start(
                    "master",
                    Map.of(),
                    List.of(),
                    "org.apache.spark.deploy.master.Master",
                    List.of("--host", HOST, "--port", "0", "--webui-port", "0"));
            master = started.await(Pattern.compile("Starting Spark master at (spark://\\S+)"))
                    .group(1);
            for (int i = 0; i < workers.length; i++) {
                workers[i] = startWorker(i);
            }
            for (ClusterProcess worker : workers) {
                worker.await(REGISTERED);
            }
        } catch (Throwable e) {
            failed = true;
            afterAll(context);
            throw e;
        }
    }

    private ClusterProcess startWorker(int number) throws IOException {
        List<String> options = new ArrayList<>(List.of("-Dspark.worker.cleanup.enabled=false"));
        Map<String, String> environment = new LinkedHashMap<>();
        if (gpusPerWorker > 0) {
            options.add("-Dspark.worker.resource.gpu.amount=" + gpusPerWorker);
            options.add("-Dspark.worker.resource.gpu.discoveryScript=" + SCRIPT);
            Path tools = fakeDriver(dir.resolve("tools-" + number), number * gpusPerWorker, gpusPerWorker);
            environment.put("PATH", tools + ":" + System.getenv("PATH"));
        }
        Path work = dir.resolve("worker-" + number);
        return start(
                "worker-" + number + ".log",
                environment,
                options,
                "org.apache.spark.deploy.worker.Worker",
                List.of(
                        "--host",
                        HOST,
                        "--port",
                        "0",
                        "--webui-port",
                        "0",
                        "--cores",
                        String.valueOf(coresPerWorker),
                        "--memory",
                        "4g",
                        "--work-dir",
                        work.toString(),
                        master));
    }

    /** A driver's tools in a folder: GPUs with these numbers, of which nothing but the list exists. */
    private static Path fakeDriver(Path tools, int first, int count) throws IOException {
        StringBuilder script = new StringBuilder("#!/bin/sh\n");
        for (int i = 0; i < count; i++) {
            script.append("echo ").append(first + i).append('\n');
        }
        Path file = Files.createDirectories(tools).resolve("nvidia-smi");
        Files.writeString(file, script);
        file.toFile().setExecutable(true);
        return tools;
    }

    private ClusterProcess start(
            String log, Map<String, String> environment, List<String> options, String main, List<String> arguments)
            throws IOException {
        List<String> line = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(option -> option.startsWith("--add-opens"))
                .forEach(line::add);
        // they start processes and wait; a small heap and quick code are enough
        // a machine that is very busy has lost nobody
        line.add("-Dspark.worker.timeout=600");
        line.addAll(List.of("-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", mark));
        line.add("-Dlog4j2.configurationFile=" + logging("info"));
        line.addAll(options);
        line.addAll(List.of("-cp", sparkHome.resolve("jars") + "/*", main));
        line.addAll(arguments);
        Map<String, String> all = new LinkedHashMap<>(environment);
        all.put("SPARK_HOME", sparkHome.toString());
        all.put("SPARK_SCALA_VERSION", "2.13");
        all.put("SPARK_LOCAL_IP", HOST);
        all.put("JAVA_HOME", System.getProperty("java.home"));
        ClusterProcess process = ClusterProcess.start(dir.resolve(log), line, all);
        processes.add(process);
        return process;
    }

    private Path logging(String level) throws IOException {
        Path file = dir.resolve("log4j2-" + level + ".properties");
        if (!Files.exists(file)) {
            Files.writeString(
                    file,
                    """
                    rootLogger.level = %s
                    rootLogger.appenderRef.stderr.ref = console
                    appender.console.type = Console
                    appender.console.name = console
                    appender.console.target = SYSTEM_ERR
                    appender.console.layout.type = PatternLayout
                    appender.console.layout.pattern = %%d{HH:mm:ss.SSS} %%p %%c{1}: %%m%%n
                    """
                            .formatted(level));
        }
        return file;
    }

    /** The master's address. */
    public String master() {
        return master;
    }

    /**
     * What a driver of this cluster sets: one core an executor, and one GPU a task where there are any; or executors that have all
     * of their worker.
     */
    public Map<String, String> settings() {
        Map<String, String> settings = new LinkedHashMap<>(DeltaSettings.REQUIRED);
        settings.putAll(KryoSettings.shipped());
        settings.put("spark.master", master);
        settings.put("spark.app.name", "test");
        settings.putAll(FewRows.SETTINGS);
        settings.put("spark.driver.host", HOST);
        settings.put("spark.driver.bindAddress", HOST);
        settings.put("spark.sql.warehouse.dir", dir.resolve("warehouse").toString());
        settings.put("spark.executor.cores", tasksAskForGpus ? "1" : String.valueOf(coresPerWorker));
        settings.put("spark.executor.memory", "600m");
        settings.put("spark.network.timeout", "600s");
        settings.put("spark.scheduler.barrier.maxConcurrentTasksCheck.interval", "1s");
        settings.put(
                "spark.executor.extraJavaOptions",
                "--add-modules=jdk.incubator.vector -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="
                        + dir.resolve("log4j2-info.properties") + " " + mark);
        if (gpusPerWorker > 0) {
            settings.put("spark.executor.resource.gpu.amount", tasksAskForGpus ? "1" : String.valueOf(gpusPerWorker));
        }
        if (gpusPerWorker > 0 && tasksAskForGpus) {
            settings.put("spark.task.resource.gpu.amount", "1");
        }
        return settings;
    }

    /** A session of this cluster, in place of the one that other tests share; the caller closes it. */
    public SparkSession session(Map<String, String> more) {
        TestSpark.stop();
        SparkSession.Builder builder = SparkSession.builder();
        settings().forEach(builder::config);
        more.forEach(builder::config);
        return builder.getOrCreate();
    }

    /** The executors that are running now. */
    public List<ExecutorProcess> executors() {
        return ExecutorProcess.marked(mark);
    }

    /** Takes a worker away for good, with its executors. */
    public void killWorker(int number) {
        workers[number].close();
        executors().stream().filter(executor -> executor.worker() == number).forEach(ExecutorProcess::kill);
    }

    /** Brings a worker that was killed back, and waits until the master has it. */
    public void restartWorker(int number) throws IOException, InterruptedException {
        workers[number] = startWorker(number);
        workers[number].await(REGISTERED);
    }

    /** What an application's executors wrote, in one text; for the messages of assertions. */
    public String executorLogs() {
        try (Stream<Path> files = Files.walk(dir)) {
            StringBuilder text = new StringBuilder();
            for (Path file :
                    files.filter(path -> path.endsWith("stderr")).sorted().toList()) {
                text.append("== ").append(file).append('\n').append(Files.readString(file));
            }
            return text.toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void delete(Path folder) throws IOException {
        if (Files.exists(folder)) {
            try (Stream<Path> all = Files.walk(folder)) {
                for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(path);
                }
            }
        }
    }

    @Override
    public void afterTestExecution(ExtensionContext context) {
        failed |= context.getExecutionException().isPresent();
    }

    @Override
    public void afterAll(ExtensionContext context) throws IOException {
        processes.forEach(ClusterProcess::close);
        // without workers no more of them can start
        while (!executors().isEmpty()) {
            executors().forEach(ExecutorProcess::kill);
        }
        if (failed) {
            System.err.println("logs of the cluster: " + dir);
        } else {
            delete(dir);
        }
    }
}
