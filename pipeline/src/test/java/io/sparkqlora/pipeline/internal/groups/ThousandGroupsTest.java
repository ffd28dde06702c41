// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import static org.apache.spark.sql.functions.max;
import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.internal.run.ResidentSessions;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.StepMetrics;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Many groups in one job, some of them broken: every adapter or its reason, and memory that doesn't grow with them. */
@Tag("slow")
class ThousandGroupsTest {

    private static final int GROUPS = 1000;
    private static final int BROKEN = 10;
    private static final int STEPS = 1;
    private static final long MIB = 1 << 20;

    @TempDir
    Path dir;

    private final List<Long> heap = new ArrayList<>();

    @AfterEach
    void closeSessions() {
        ResidentSessions.closeAll();
    }

    @Test
    void leaveAnAdapterOrAReasonEachAndMemoryStaysFlat() {
        JobConfig config = TestGroups.job(dir, data(), 16)
                .set("groups_per_device", 16)
                .set("max_steps", STEPS)
                .set("lora_dropout", 0)
                .set("r", 16)
                .build();
        TestGroups groups = TestGroups.of(config, sampling());
        assertThat(groups.data().groups()).hasSize(GROUPS);
        RunRecord run = groups.train(1);

        assertThat(run.status()).isEqualTo(RunRecord.PARTIAL);
        Map<String, String> states = groups.states("many");
        assertThat(states.values().stream().filter("done"::equals)).hasSize(GROUPS - BROKEN);
        for (int i = 0; i < BROKEN; i++) {
            assertThat(states).containsEntry(key(brokenAt(i)), i % 2 == 0 ? "QLORA-T060" : "QLORA-P103");
        }
        assertThat(groups.read(Table.ADAPTERS, "many")
                        .select("adapter_id")
                        .distinct()
                        .count())
                .isEqualTo(GROUPS - BROKEN);
        assertThat(groups.metrics("many")).hasSize(STEPS * (GROUPS - BROKEN)).doesNotHaveDuplicates();
        requireFlat(groups);
    }

    /** Device memory to the byte; the heap up to what Spark remembers of its jobs: the adapters made meanwhile have 67 MB. */
    private void requireFlat(TestGroups groups) {
        List<Row> waves = groups.read(Table.METRICS, "many")
                .groupBy("chunk")
                .agg(max("device_bytes"))
                .orderBy("chunk")
                .collectAsList();
        assertThat(waves).hasSizeGreaterThan(3);
        assertThat(waves)
                .extracting(row -> row.getLong(1))
                .containsOnly(waves.get(0).getLong(1));
        long grown = heap.get(heap.size() - 1) - heap.get(1);
        assertThat(grown).as("heap after each wave: " + heap).isLessThan(24 * MIB);
    }

    private RunObserver sampling() {
        return new RunObserver() {
            @Override
            public void onStep(StepMetrics metrics) {}

            @Override
            public void onCommit(long step) {
                System.gc();
                Runtime runtime = Runtime.getRuntime();
                heap.add(runtime.totalMemory() - runtime.freeMemory());
            }
        };
    }

    private Path data() {
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < GROUPS; i++) {
            rows.append(TestGroups.row(key(i), i, settings(i)));
        }
        return TestJobs.write(dir.resolve("data.jsonl"), rows.toString());
    }

    private static String settings(int group) {
        for (int i = 0; i < BROKEN; i++) {
            if (group == brokenAt(i)) {
                return i % 2 == 0 ? "{\"learning_rate\": 1e38, \"max_grad_norm\": 0, \"max_steps\": 9}" : "{\"r\": 8}";
            }
        }
        return "{\"seed\": " + group + "}";
    }

    private static int brokenAt(int i) {
        return 7 + 97 * i;
    }

    private static String key(int i) {
        return String.format("k%04d", i);
    }
}
