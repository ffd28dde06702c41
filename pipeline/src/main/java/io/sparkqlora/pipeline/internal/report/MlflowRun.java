// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.report;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.pipeline.HubErrors;
import io.sparkqlora.pipeline.JobConfig;
import java.io.IOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.apache.spark.sql.Row;

/**
 * A run in MLflow's tracking server, found again by a tag with our name of it. A chunk's metrics are a batch (or a few, where there are
 * many), and then a tag says that they are there; a batch that is sent again has the same values, steps and times.
 *
 * <p>A server that can't be reached when the command starts is an error, since nothing has been done yet. Later it costs nobody a run:
 * what it has not heard it is told with the next chunk, and by the next command if the run goes on.
 */
public final class MlflowRun implements RunReport {

    static final Duration PATIENCE = Duration.ofSeconds(15);

    /** Of one call, as the API says. */
    private static final int MOST_METRICS = 1000;

    private static final int MOST_PARAMS = 100;
    private static final int LONGEST_PARAM = 500;

    private static final String RUN = "spark_qlora.run_id";
    private static final String CHUNK = "spark_qlora.chunk";

    private final MlflowSettings settings;
    private final MlflowClient client;
    private final Consumer<String> warn;
    private final SortedMap<Long, List<Row>> untold = new TreeMap<>();
    private String id;
    private long last = -1;
    private boolean warned;

    private MlflowRun(MlflowSettings settings, Duration patience, Consumer<String> warn) {
        this.settings = settings;
        this.client = new MlflowClient(settings, patience);
        this.warn = warn;
    }

    /**
     * The run of this name, made unless it is there.
     *
     * @param runId our name of it
     * @param warn gets a line when the server doesn't hear us any more
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P199 if the server doesn't answer, or says no
     */
    static MlflowRun open(
            MlflowSettings settings, Duration patience, String runId, JobConfig config, Consumer<String> warn) {
        MlflowRun run = new MlflowRun(settings, patience, warn);
        try {
            String experiment = run.experiment();
            JsonNode found = run.find(experiment, runId);
            if (found.isMissingNode()) {
                run.create(experiment, runId, config);
            } else {
                run.id = found.path("info").path("run_id").asText();
                for (JsonNode tag : found.path("data").path("tags")) {
                    run.last = tag.path("key").asText().equals(CHUNK)
                            ? tag.path("value").asLong()
                            : run.last;
                }
                run.update("RUNNING");
            }
        } catch (IOException e) {
            throw HubErrors.trackerUnreachable(settings.uri().toString(), e);
        }
        return run;
    }

    private String experiment() throws IOException {
        String name = URLEncoder.encode(settings.experiment(), StandardCharsets.UTF_8);
        try {
            return client.get("experiments/get-by-name?experiment_name=" + name)
                    .path("experiment")
                    .path("experiment_id")
                    .asText();
        } catch (MlflowClient.Refused e) {
            if (!e.isMissing()) {
                throw e;
            }
            return client.post("experiments/create", Map.of("name", settings.experiment()))
                    .path("experiment_id")
                    .asText();
        }
    }

    private JsonNode find(String experiment, String runId) throws IOException {
        return client.post(
                        "runs/search",
                        Map.of(
                                "experiment_ids",
                                List.of(experiment),
                                "filter",
                                "tags.`" + RUN + "` = '" + runId + "'",
                                "max_results",
                                1))
                .path("runs")
                .path(0);
    }

    private void create(String experiment, String runId, JobConfig config) throws IOException {
        id = client.post(
                        "runs/create",
                        Map.of(
                                "experiment_id",
                                experiment,
                                "run_name",
                                runId,
                                "start_time",
                                System.currentTimeMillis(),
                                "tags",
                                List.of(Map.of("key", RUN, "value", runId))))
                .path("run")
                .path("info")
                .path("run_id")
                .asText();
        List<Map<String, String>> params = new ArrayList<>();
        config.effective()
                .forEach((key, value) -> params.add(Map.of("key", key, "value", shortened(value.toString()))));
        for (int i = 0; i < params.size(); i += MOST_PARAMS) {
            List<?> some = params.subList(i, Math.min(params.size(), i + MOST_PARAMS));
            client.post("runs/log-batch", Map.of("run_id", id, "params", some));
        }
    }

    /** The table of runs has it whole. */
    private static String shortened(String value) {
        return value.length() <= LONGEST_PARAM ? value : value.substring(0, LONGEST_PARAM - 1) + "…";
    }

    @Override
    public boolean has(long chunk) {
        return chunk <= last;
    }

    @Override
    public void tell(long chunk, List<Row> metrics) {
        untold.put(chunk, metrics);
        tell();
    }

    private void tell() {
        try {
            while (!untold.isEmpty()) {
                long chunk = untold.firstKey();
                send(untold.get(chunk));
                client.post("runs/set-tag", Map.of("run_id", id, "key", CHUNK, "value", String.valueOf(chunk)));
                last = chunk;
                untold.remove(chunk);
            }
        } catch (IOException e) {
            warn(e);
        }
    }

    private void send(List<Row> rows) throws IOException {
        List<Map<String, Object>> metrics = new ArrayList<>();
        for (Row row : rows) {
            Scalars scalars = Scalars.of(row);
            scalars.values()
                    .forEach((name, value) -> metrics.add(Map.of(
                            "key", name, "value", value, "timestamp", scalars.millis(), "step", scalars.step())));
        }
        for (int i = 0; i < metrics.size(); i += MOST_METRICS) {
            List<?> some = metrics.subList(i, Math.min(metrics.size(), i + MOST_METRICS));
            client.post("runs/log-batch", Map.of("run_id", id, "metrics", some));
        }
    }

    private void warn(IOException e) {
        if (!warned) {
            warned = true;
            warn.accept("MLflow at " + settings.uri() + " does not hear of step metrics: " + e.getMessage()
                    + "; the run goes on, and tells it later");
        }
    }

    @Override
    public void ended(String status) {
        // a process that a signal ends has no time for a server that is silent
        boolean hurried = status.equals("KILLED");
        if (hurried && warned) {
            return;
        }
        if (!hurried) {
            tell();
        }
        try {
            update(status);
        } catch (IOException e) {
            warn(e);
        }
        if (!untold.isEmpty()) {
            warn.accept("MLflow at " + settings.uri() + " was not told of chunks " + untold.keySet()
                    + "; the table of metrics has them");
        }
    }

    private void update(String status) throws IOException {
        Map<String, Object> update = new TreeMap<>(Map.of("run_id", id, "status", status));
        if (!status.equals("RUNNING")) {
            update.put("end_time", System.currentTimeMillis());
        }
        client.post("runs/update", update);
    }
}
