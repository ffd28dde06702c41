// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.pipeline.Cli.Ended;
import io.sparkqlora.pipeline.internal.job.Answers;
import io.sparkqlora.pipeline.internal.job.Chat;
import io.sparkqlora.pipeline.internal.job.ChatPrompt;
import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.GenerationConfig;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Answers of an adapter to the rows of a table, for scores and for themselves. */
class AnswersCommandsTest {

    @TempDir
    Path dir;

    @Test
    void rowsAreAnsweredAndScored() {
        JobConfig job = TestJobs.small(dir.resolve("out"))
                .set(
                        "dataset",
                        TestJobs.conversations(dir.resolve("data.jsonl"), 6).toString())
                .set("max_steps", 1)
                .build();
        String adapter = Cli.run("train", job).done().text("adapter_id");
        JobTables tables = new JobTables(TestSpark.session(), job.get(RunKeys.OUTPUT_DIR));
        scored(job, tables, adapter);
        prompted(job, tables, adapter);
        chatted(job);
    }

    private void chatted(JobConfig job) {
        InputStream before = System.in;
        System.setIn(new ByteArrayInputStream("say 1\nsay 2\n\n/reset\nsay 1\n/exit\nsay 3\n".getBytes(UTF_8)));
        try {
            Ended ended = Cli.run("chat", job, "--max-new-tokens", "4").done();
            assertThat(ended.outcome().get("turns").asLong()).isEqualTo(3);
        } finally {
            System.setIn(before);
        }
        JobConfig config = job;
        Workspace work = Workspace.open(TestSpark.session(), config, RunObserver.NONE);
        GenerationConfig greedy = GenerationConfig.greedy(4);
        try (Answers answers = Answers.open(RunChoice.of(work, null, null, null));
                Chat chat = new Chat(config, answers, greedy, null, 120)) {
            StringBuilder heard = new StringBuilder();
            String first = chat.say("say 1", heard::append);
            assertThat(heard).hasToString(first);
            ChatPrompt prompt = new ChatPrompt(config, answers.tokenizer());
            assertThat(first)
                    .isEqualTo(answers.continueAll(List.of(prompt.ofUser("say 1")), greedy, true)
                            .get(0));
            String second = chat.say("say 2", piece -> {});
            assertThat(second)
                    .isEqualTo(answers.continueAll(
                                    List.of(prompt.of(List.of(
                                            Map.of("role", "user", "content", "say 1"),
                                            Map.of("role", "assistant", "content", first),
                                            Map.of("role", "user", "content", "say 2")))),
                                    greedy,
                                    true)
                            .get(0));
            chat.reset();
            assertThat(chat.say("say 1", piece -> {})).isEqualTo(first);
            assertThatThrownBy(() -> chat.say("many words ".repeat(100), piece -> {}))
                    .hasMessageStartingWith("QLORA-P138: the conversation has ")
                    .hasMessageContaining("begin another with /reset");
        }
    }

    private void scored(JobConfig job, JobTables tables, String adapter) {
        Ended ended = Cli.run("evaluate", job, "--predict-with-generate", "--max-new-tokens", "4")
                .done();
        assertThat(ended.text("adapter_id")).isEqualTo(adapter);
        assertThat(ended.outcome().get("num_predictions").asLong()).isEqualTo(6);
        List<Row> rows = tables.read(Table.PREDICTIONS).collectAsList();
        assertThat(rows).hasSize(6).allSatisfy(row -> {
            assertThat(row.<String>getAs("prompt")).contains("say ");
            assertThat(row.<String>getAs("reference")).contains("abc");
            assertThat(row.<String>getAs("prediction")).isNotNull();
            assertThat(row.<String>getAs("rejection")).isNull();
        });
        // the loss of all is that of its rows
        double sum = rows.stream()
                .mapToDouble(row -> row.<Double>getAs("loss") * row.<Long>getAs("num_target_tokens"))
                .sum();
        long tokens = rows.stream()
                .mapToLong(row -> row.<Long>getAs("num_target_tokens"))
                .sum();
        assertThat(tokens).isEqualTo(ended.outcome().get("num_target_tokens").asLong());
        assertThat(sum / tokens).isCloseTo(ended.outcome().get("loss").asDouble(), within(1e-5));
        double rouge = rows.stream()
                .mapToDouble(row -> row.<Double>getAs("rouge1"))
                .average()
                .orElseThrow();
        assertThat(ended.outcome().get("rouge1").asDouble()).isCloseTo(rouge, within(1e-12));
        Row recorded = tables.read(Table.EVALUATIONS).first();
        assertThat(recorded.<Double>getAs("rouge1")).isCloseTo(rouge, within(1e-12));
        assertThat(recorded.<Double>getAs("exact_match"))
                .isEqualTo(ended.outcome().get("exact_match").asDouble());
    }

    private void prompted(JobConfig job, JobTables tables, String adapter) {
        Path prompts = TestJobs.write(
                dir.resolve("prompts.jsonl"),
                """
                {"messages": [{"role": "user", "content": "say 1"}]}

                {"messages": [{"role": "user", "content": "say 2"}]}
                {"messages": []}
                """);
        Ended ended = Cli.run("generate", job, "--dataset", prompts.toString(), "--max-new-tokens", "4")
                .done();
        assertThat(ended.outcome().get("answered").asLong()).isEqualTo(2);
        assertThat(ended.outcome().get("rejected").asLong()).isEqualTo(1);
        List<Row> rows = tables.read(Table.PREDICTIONS)
                .where("dataset = '" + prompts + "'")
                .orderBy("prompt")
                .collectAsList();
        assertThat(rows).hasSize(3);
        assertThat(rows.get(0).<String>getAs("rejection")).startsWith("empty_conversation");
        assertThat(rows.get(1).<String>getAs("adapter_id")).isEqualTo(adapter);
        Ended one = Cli.run("generate", job, "--prompt", "say 1", "--max-new-tokens", "4")
                .done();
        assertThat(rows.get(1).<String>getAs("prediction"))
                .isEqualTo(one.outcome().get("adapter").get(0).asText());
        Cli.run("generate", job, "--max-new-tokens", "4").refused(2, "QLORA-P043: there is neither --prompt nor");
        Cli.run("generate", job, "--dataset", prompts.toString(), "--do-sample")
                .refused(2, "QLORA-P043: --do-sample goes with --prompt alone");
    }
}
