// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cluster;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.ClusterErrors;
import io.sparkqlora.pipeline.HubErrors;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.Function;

/**
 * Whether executors have the driver's base, or come to the same where it is fetched: a job of one short task a slot, which Spark spreads over
 * all executors. They fetch its configuration alone; the weights come to those that train.
 */
final class BaseOnExecutors {

    private static final int MOST_TASKS = 1_000;

    private BaseOnExecutors() {}

    static void check(SparkContext spark, BaseModel base, JobConfig config) {
        if (spark.isLocal()) {
            return;
        }
        if (BaseFolder.isRemote(config)) {
            List<Report> reports = reports(spark, ConfigJson.write(config), BaseOnExecutors::reach);
            checkRemote(config.get(ModelKeys.MODEL_NAME_OR_PATH), BaseFolder.version(config), reports);
        } else {
            check(base, reports(spark, base.folder().toAbsolutePath().toString(), BaseOnExecutors::look));
        }
    }

    private static List<Report> reports(SparkContext spark, String what, Function<String, String> task) {
        int tasks = Math.max(1, Math.min(MOST_TASKS, Slots.of(spark)));
        List<String> reports = new JavaSparkContext(spark)
                .parallelize(IntStream.range(0, tasks).mapToObj(i -> what).toList(), tasks)
                .map(task)
                .collect();
        return reports.stream().map(Report::of).toList();
    }

    /** As {@link #look}, at a base that is fetched. */
    private static String reach(String configJson) {
        String host = SparkEnv.get().blockManager().blockManagerId().host();
        try {
            return new Report(host, BaseFolder.version(ConfigJson.read(configJson)), "").text();
        } catch (QLoraException e) {
            return new Report(host, "", e.getMessage()).text();
        }
    }

    /** Judges what the tasks saw of a base that is fetched. */
    static void checkRemote(String name, String version, List<Report> reports) {
        Predicate<Report> failed = report -> !report.problem().isEmpty();
        reports.stream().filter(failed).findFirst().ifPresent(report -> {
            throw HubErrors.notToExecutors(name, hosts(reports, failed), report.problem());
        });
        List<String> others = hosts(reports, report -> !report.fingerprint().equals(version));
        if (!others.isEmpty()) {
            throw HubErrors.otherOnExecutors(name, others);
        }
    }

    /** What one task saw; as an exception Spark would try the task three more times. */
    private static String look(String folder) {
        String host = SparkEnv.get().blockManager().blockManagerId().host();
        try {
            return new Report(host, BaseModel.open(Path.of(folder)).fingerprint(), "").text();
        } catch (QLoraException e) {
            return new Report(host, "", e.getMessage()).text();
        }
    }

    /** Judges what the tasks saw. */
    static void check(BaseModel base, List<Report> reports) {
        List<String> blind = hosts(reports, report -> !report.problem().isEmpty());
        if (!blind.isEmpty()) {
            String problem = reports.stream()
                    .map(Report::problem)
                    .filter(text -> !text.isEmpty())
                    .findFirst()
                    .orElseThrow();
            throw ClusterErrors.baseNotOnExecutors(base.folder().toString(), blind, problem);
        }
        List<String> others = hosts(reports, report -> !report.fingerprint().equals(base.fingerprint()));
        if (!others.isEmpty()) {
            throw ClusterErrors.baseDiffers(base.folder().toString(), others);
        }
    }

    private static List<String> hosts(List<Report> reports, Predicate<Report> which) {
        return reports.stream()
                .filter(which)
                .map(Report::host)
                .distinct()
                .sorted()
                .toList();
    }

    /**
     * A task's view.
     *
     * @param host where it ran
     * @param fingerprint of the base there, or its version where it is fetched; empty if it can't be read
     * @param problem why not; empty if it can
     */
    record Report(String host, String fingerprint, String problem) {

        String text() {
            return ConfigJson.text(new TreeMap<>(Map.of("host", host, "fingerprint", fingerprint, "problem", problem)));
        }

        static Report of(String json) {
            Map<String, Object> values = ConfigJson.values(json);
            return new Report(
                    (String) values.get("host"), (String) values.get("fingerprint"), (String) values.get("problem"));
        }
    }
}
