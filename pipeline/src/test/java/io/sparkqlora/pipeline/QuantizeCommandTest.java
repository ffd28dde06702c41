// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.Cli.run;
import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.Cli.Ended;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.QuantStorage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A base in 4 or 8 bits, written, trained on, and merged into. */
class QuantizeCommandTest {

    private static final String ADAPTER = "adapter_model.safetensors";

    @TempDir
    Path dir;

    private static Ended quantize(Path out, String... settings) {
        List<String> arguments = new ArrayList<>(
                List.of("quantize", "--out", out.toString(), "--set", "model_name_or_path=" + TestJobs.base()));
        for (String setting : settings) {
            arguments.addAll(List.of("--set", setting));
        }
        return run(arguments.toArray(String[]::new));
    }

    /** Only what is set, so that a base's format may take the place of defaults. */
    private static Ended job(Path job, String command, String... more) {
        List<String> arguments = new ArrayList<>(List.of(command, "--config", job.toString()));
        arguments.addAll(List.of(more));
        return run(arguments.toArray(String[]::new));
    }

    private Path job(String name, Path base, String... more) {
        StringBuilder yaml = new StringBuilder();
        TestJobs.small(dir.resolve(name + "-out"))
                .set("dataset", dir.resolve("data.jsonl").toString())
                .set("model_name_or_path", base.toString())
                .set("max_seq_length", 48)
                .set("max_steps", 2)
                .set("save_steps", 2)
                .build()
                .identity()
                .forEach((key, value) ->
                        yaml.append(key).append(": ").append(value).append('\n'));
        yaml.append("output_dir: ").append(dir.resolve(name + "-out")).append('\n');
        for (String line : more) {
            yaml.append(line).append('\n');
        }
        return TestJobs.write(dir.resolve(name + ".yaml"), yaml.toString());
    }

    @Test
    @Tag("slow")
    void whatIsQuantisedBeforeTrainsToTheSameAdapter() throws IOException {
        TestSpark.session();
        TestJobs.conversations(dir.resolve("data.jsonl"), 12);
        Path base = dir.resolve("fp4");
        Ended quantized = quantize(
                        base,
                        "bnb_4bit_quant_type=fp4",
                        "bnb_4bit_blocksize=128",
                        "llm_int8_skip_modules=[lm_head, o_proj]")
                .done();
        assertThat(quantized.outcome().get("quantized_weights").asInt()).isEqualTo(12);
        assertThat(quantized.outcome().get("max_relative_error").asDouble()).isBetween(0.05, 0.3);
        Path stored = job("stored", base);
        Path held = job(
                "held",
                TestJobs.base(),
                "bnb_4bit_quant_type: fp4",
                "bnb_4bit_blocksize: 128",
                "llm_int8_skip_modules: [lm_head, o_proj]");
        assertThat(job(stored, "plan").done().outcome().get("parts"))
                .isEqualTo(job(held, "plan").done().outcome().get("parts"));
        for (String command : List.of("plan", "train")) {
            job(stored, command, "--set", "bnb_4bit_quant_type=nf4")
                    .refused(
                            2,
                            "QLORA-P150: bnb_4bit_quant_type is nf4, but " + base + " is quantised already, with fp4");
        }
        job(stored, "train", "--set", "load_in_4bit=false").refused(2, "QLORA-P150: load_in_4bit is false, but ");
        assertThat(dir.resolve("stored-out")).doesNotExist();

        job(stored, "train").done();
        job(held, "train").done();
        job(stored, "export", "--out", dir.resolve("a").toString()).done();
        job(held, "export", "--out", dir.resolve("b").toString()).done();
        assertThat(Files.readAllBytes(dir.resolve("a").resolve(ADAPTER)))
                .isEqualTo(Files.readAllBytes(dir.resolve("b").resolve(ADAPTER)));
        assertThat(job(stored, "evaluate").done().outcome().get("loss"))
                .isEqualTo(job(held, "evaluate").done().outcome().get("loss"));

        Path merged = dir.resolve("merged");
        Ended exported = job(stored, "export", "--merge", "--quantize", "--out", merged.toString())
                .done();
        assertThat(exported.outcome().get("mean_relative_error").asDouble()).isBetween(0.01, 0.3);
        assertThat(exported.outcome().get("max_relative_error_weight").asText()).contains("_proj.weight");
        try (Checkpoint checkpoint = Checkpoint.open(merged)) {
            assertThat(checkpoint.config().quantization().blockSize()).isEqualTo(128);
        }
        job(stored, "export", "--quantize", "--out", dir.resolve("c").toString())
                .refused(2, "QLORA-P153: --quantize is about");
        job(stored, "generate", "--prompt", "say 3", "--max-new-tokens", "3").done();
    }

    @Test
    @Tag("slow")
    void in8bitsToo() throws IOException {
        TestSpark.session();
        TestJobs.conversations(dir.resolve("data.jsonl"), 12);
        Path base = dir.resolve("int8");
        Ended quantized = quantize(
                        base, "load_in_8bit=true", "llm_int8_threshold=2.5", "llm_int8_skip_modules=[lm_head, o_proj]")
                .done();
        assertThat(quantized.err()).contains("is in 8 bits in " + base);
        assertThat(quantized.outcome().get("quantized_weights").asInt()).isEqualTo(12);
        assertThat(quantized.outcome().get("max_relative_error").asDouble()).isBetween(1e-3, 2e-2);
        Path stored = job("stored", base);
        Path held = job(
                "held",
                TestJobs.base(),
                "load_in_8bit: true",
                "llm_int8_threshold: 2.5",
                "llm_int8_skip_modules: [lm_head, o_proj]");
        assertThat(job(stored, "plan").done().outcome().get("parts"))
                .isEqualTo(job(held, "plan").done().outcome().get("parts"));
        for (String command : List.of("plan", "train")) {
            job(stored, command, "--set", "llm_int8_threshold=6")
                    .refused(
                            2,
                            "QLORA-P150: llm_int8_threshold is 6.0, but " + base + " is quantised already, with 2.5");
            job(stored, command, "--set", "load_in_4bit=true").refused(2, "QLORA-P150: load_in_4bit is true, but ");
        }
        assertThat(dir.resolve("stored-out")).doesNotExist();

        job(stored, "train").done();
        job(held, "train").done();
        job(stored, "export", "--out", dir.resolve("a").toString()).done();
        job(held, "export", "--out", dir.resolve("b").toString()).done();
        assertThat(Files.readAllBytes(dir.resolve("a").resolve(ADAPTER)))
                .isEqualTo(Files.readAllBytes(dir.resolve("b").resolve(ADAPTER)));
        assertThat(job(stored, "evaluate").done().outcome().get("loss"))
                .isEqualTo(job(held, "evaluate").done().outcome().get("loss"));
        for (Path from : List.of(stored, held)) {
            Path merged = dir.resolve("merged-" + from.getFileName());
            Ended exported = job(from, "export", "--merge", "--quantize", "--out", merged.toString())
                    .done();
            assertThat(exported.outcome().get("mean_relative_error").asDouble()).isBetween(1e-3, 2e-2);
            try (Checkpoint checkpoint = Checkpoint.open(merged)) {
                assertThat(checkpoint.config().quantization().llmInt8Threshold())
                        .isEqualTo(2.5);
            }
        }
        job(stored, "generate", "--prompt", "say 3", "--max-new-tokens", "3").done();
    }

    @Test
    void aBaseNeedsNoMoreThanItsFolder() throws IOException {
        Path out = dir.resolve("nf4");
        quantize(out, "bnb_4bit_quant_storage=bfloat16").done();
        try (Checkpoint checkpoint = Checkpoint.open(out)) {
            assertThat(checkpoint.config().quantization().storage()).isEqualTo(QuantStorage.BFLOAT16);
        }
        assertThat(out.resolve("tokenizer.json"))
                .hasSameBinaryContentAs(TestJobs.base().resolve("tokenizer.json"));
        quantize(dir.resolve("none"), "load_in_4bit=false")
                .refused(2, "QLORA-P152: load_in_4bit and load_in_8bit are false");
        quantize(dir.resolve("none"), "model_name_or_path=" + out)
                .refused(2, "QLORA-T159: " + out + " is quantised already");
        quantize(dir.resolve("none"), "llm_int8_skip_modules=[q_proj]")
                .refused(2, "QLORA-T154: llm_int8_skip_modules is");
        quantize(dir.resolve("none"), "bnb_4bit_blocksize=96")
                .refused(2, "bnb_4bit_blocksize is 96; allowed: a power of two");
        assertThat(dir.resolve("none")).doesNotExist();
    }
}
