// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/**
 * The demo's base and data as a job file in BF16, with dropout and paged moments in 8 bits, and the bundle's commands of it.
 *
 * @param dir where job file, tables and logs lie
 * @param file the job file
 * @param runId the name of its run
 */
record GpuJob(Path dir, Path file, String runId) {

    /** {@code -Dqlora.test.backend=cpu} rehearses without a GPU. */
    static final String BACKEND = System.getProperty("qlora.test.backend", "cuda");

    static final boolean CUDA = BACKEND.equals("cuda");
    static final int STEPS = CUDA ? 60 : 6;
    static final int SAVE_STEPS = CUDA ? 10 : 2;

    private static final int POLL_MILLIS = 20;
    private static final Path DEMO = BundleCommand.BUNDLE.resolve("demo");

    static final Path QUESTIONS = DEMO.resolve("data/heldout.jsonl");

    /** Skips the tests where there is no such device, and says so. */
    static void requireDevice() {
        try {
            Devices.open(BACKEND).close();
        } catch (QLoraException e) {
            System.err.println("TESTS OF THE PRODUCT ON " + BACKEND + " ARE SKIPPED: " + e.getMessage());
            Assumptions.abort(e.getMessage());
        }
    }

    /** Writes the job of a run, in a folder of its own. */
    static GpuJob in(Path parent, String runId) throws IOException {
        Path dir = Files.createDirectory(parent.resolve(runId));
        String text =
                """
                model_name_or_path: %s
                dataset: %s
                eval_dataset: %s
                output_dir: %s
                run_id: %s
                backend: %s
                max_seq_length: 192
                bnb_4bit_compute_dtype: bfloat16
                r: 16
                lora_alpha: 32
                lora_dropout: 0.05
                learning_rate: 2.0e-3
                warmup_steps: 5
                optim: paged_adamw_8bit
                per_device_train_batch_size: 4
                gradient_accumulation_steps: 2
                max_steps: %d
                save_steps: %d
                seed: 7
                """;
        Object[] values = {
            DEMO.resolve("base"),
            DEMO.resolve("data/train.jsonl"),
            QUESTIONS,
            dir.resolve("out"),
            runId,
            BACKEND,
            STEPS,
            SAVE_STEPS
        };
        return new GpuJob(dir, TestJobs.write(dir.resolve("job.yaml"), text.formatted(values)), runId);
    }

    JobConfig config() {
        return JobConfig.builder().addFile(file).build();
    }

    RunTables tables() {
        return new RunTables(config().get(RunKeys.OUTPUT_DIR));
    }

    /** Steps that are committed. */
    long lastStep() {
        return tables().lastStep(runId);
    }

    /** The exported adapter, written if it is not there. */
    synchronized Path exported() {
        Path folder = dir.resolve("exported");
        if (!Files.exists(folder)) {
            SparkQLora.job(config()).export(TestSpark.session(), tables().result(runId), folder);
        }
        return folder;
    }

    /** Waits until the run has committed something. Looks at Delta's files: a query takes longer than a GPU's chunk. */
    void awaitCommit(BundleCommand command) throws IOException, InterruptedException {
        Path commit = dir.resolve("out/training_state/_delta_log/00000000000000000000.json");
        while (!Files.exists(commit)) {
            command.assertRunsFor(POLL_MILLIS);
        }
    }

    /** Starts a command; options may follow. */
    BundleCommand start(String command, String... options) throws IOException {
        return BundleCommand.start(dir, arguments(command, options));
    }

    /** Starts a command on a device that fails, see {@link FaultyGpuMain}. */
    BundleCommand startFaulty(String failure, String command, String... options) throws IOException {
        String[] arguments = concat(List.of(failure), arguments(command, options));
        return BundleCommand.start(dir, FaultyGpuMain.class, arguments);
    }

    /** Runs a command to its end. */
    Cli.Ended run(String command, String... options) throws IOException, InterruptedException {
        try (BundleCommand started = start(command, options)) {
            return started.end();
        }
    }

    private String[] arguments(String command, String... options) {
        return concat(List.of(command, "--config", file.toString()), options);
    }

    private static String[] concat(List<String> first, String... more) {
        return Stream.concat(first.stream(), Stream.of(more)).toArray(String[]::new);
    }
}
