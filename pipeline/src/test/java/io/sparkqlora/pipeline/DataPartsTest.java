// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.pipeline.Cli.Ended;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Several datasets in one job, and the rows that are held out of it. */
class DataPartsTest {

    @TempDir
    Path dir;

    private Path chats() {
        return TestJobs.conversations(dir.resolve("chats.jsonl"), 40);
    }

    private Path alpaca() {
        return TestJobs.write(
                dir.resolve("alpaca.jsonl"),
                """
                {"instruction": "say", "input": "7", "output": "abc"}
                {"instruction": "sing", "input": "", "output": "la"}
                """);
    }

    private JobConfig job(String... more) {
        JobConfigBuilder job = TestJobs.small(dir.resolve("out")).set("max_seq_length", 256);
        for (String each : more) {
            job.set(each.substring(0, each.indexOf('=')), each.substring(each.indexOf('=') + 1));
        }
        return job.build();
    }

    private Ended tokenize(String... more) {
        return Cli.run("tokenize", job(), more).done();
    }

    private static long sequences(Ended ended) {
        return Long.parseLong(ended.err().replaceFirst("(?s).*rows: (\\d+) sequences.*", "$1"));
    }

    @Test
    void datasetsOfSeveralShapesAreMixed() {
        String both = "dataset=[" + chats() + ", " + alpaca() + "]";
        Ended all = tokenize(both);
        assertThat(sequences(all)).isEqualTo(42);
        assertThat(all.text("dataset_version")).startsWith("mix:");
        assertThat(tokenize(both).outcome().get("reused").asBoolean()).isTrue();
        // two rows of each at equal parts, or forty
        Ended few = tokenize(both, "mix_strategy=interleave_under", "interleave_probs=[0.5, 0.5]");
        assertThat(sequences(few)).isBetween(2L, 8L);
        Ended many = tokenize(both, "mix_strategy=interleave_over", "interleave_probs=1,1");
        assertThat(sequences(many)).isEqualTo(80);
        assertThat(many.text("dataset_id")).isNotEqualTo(all.text("dataset_id"));
    }

    @Test
    void whatIsHeldOutIsMeasuredAndNotTrained() {
        String data = "dataset=" + chats();
        String held = "validation_split_percentage=30";
        Ended training = tokenize(data, held);
        assertThat(sequences(training)).isBetween(20L, 36L);
        JobConfig job = job(data, held, "max_steps=1", "eval_strategy=steps", "load_best_model_at_end=true");
        Ended trained = Cli.run("train", job).done();
        assertThat(trained.text("dataset_id")).isEqualTo(training.text("dataset_id"));
        Ended measured = Cli.run("evaluate", job).done();
        // the rest was tokenised for the evaluations during the run
        assertThat(sequences(trained)).isEqualTo(40 - sequences(training));
        assertThat(measured.text("dataset_id")).isNotEqualTo(training.text("dataset_id"));
        assertThat(measured.text("adapter_id")).isEqualTo(trained.text("adapter_id"));
        assertThat(measured.outcome().get("loss").asDouble())
                .isCloseTo(trained.outcome().get("eval_loss").asDouble(), within(1e-5));
    }

    @Test
    void wrappedRowsAreTrainedOn() {
        JobConfig job = job(
                "dataset=" + chats(), "packing_strategy=wrapped", "max_seq_length=24", "max_steps=1", "save_steps=1");
        assertThat(Cli.run("train", job).done().outcome().get("steps").asLong()).isOne();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "eval_strategy=steps|QLORA-P134: eval_strategy is steps and no row is held out|set eval_dataset",
                "eval_steps=5|QLORA-P133: eval_steps is 5 and nothing is evaluated|set eval_strategy to steps",
                "load_best_model_at_end=true|QLORA-P133: load_best_model_at_end is true|or remove it",
                "early_stopping_patience=2|QLORA-P133: early_stopping_patience is 2|or remove it",
                "report_to=tensorboard group_by=role|QLORA-P09|thousands of curves",
                "eval_strategy=epoch|QLORA-P003|one of no, steps",
                "report_to=wandb|QLORA-P003|one of none, tensorboard",
                "eval_delay=3|QLORA-P002|an evaluation every eval_steps",
            })
    void whatCanNotBeDoneDuringARunIsRefused(String settings, String problem, String fix) {
        String[] more = ("dataset=" + chats() + " " + settings).split(" ");
        Cli.run("train", job(), more).refused(2, problem, fix);
        assertThat(Cli.files(dir.resolve("out"))).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "mix_strategy=interleave_over|QLORA-P130: mix_strategy interleave_over needs interleave_probs|give 1 numbers",
                "interleave_probs=1|QLORA-P131: interleave_probs [1.0] change nothing|or remove them",
                "mix_strategy=interleave_under interleave_probs=1,2|QLORA-P132: interleave_probs are [1.0, 2.0] and dataset "
                        + "names 1 sources|give one number for each",
                "interleave_probs=[0]|QLORA-P003|a list of numbers above 0",
                "packing_strategy=bfd_requeue|QLORA-P003|one of bfd, wrapped",
                "formatting=vicuna|QLORA-P003|alpaca_chat, sharegpt",
                "validation_split_percentage=100|QLORA-P003|below 100.0",
                "formatting=sharegpt text_column=t|QLORA-D058: formatting is sharegpt|drop one of the two",
            })
    void whatMakesNoSenseIsRefused(String settings, String problem, String fix) {
        String[] more = ("dataset=" + chats() + " " + settings).split(" ");
        Cli.run("tokenize", job(), more).refused(2, problem, fix);
        assertThat(Cli.files(dir.resolve("out"))).isEmpty();
    }
}
