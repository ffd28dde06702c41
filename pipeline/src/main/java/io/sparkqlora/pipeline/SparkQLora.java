// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.pipeline.internal.job.Answers;
import io.sparkqlora.pipeline.internal.job.ChatPrompt;
import io.sparkqlora.pipeline.internal.job.EvaluateJob;
import io.sparkqlora.pipeline.internal.job.FolderChoice;
import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.pipeline.internal.job.TrainJob;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.GenerationConfig;
import io.sparkqlora.train.StepMetrics;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.apache.spark.sql.SparkSession;

/**
 * The library's door: what the command line does, from code.
 *
 * <pre>{@code
 * JobConfig config = JobConfig.builder().set("model_name_or_path", "base").set("dataset", "chats.jsonl")
 *         .set("output_dir", "out").set("r", 16).build();
 * RunResult run = SparkQLora.job(config).onStep(m -> System.out.println(m.loss())).train(spark);
 * run.metrics(spark).show();
 * }</pre>
 *
 * <p>The session needs Delta's extension and catalog. All methods throw {@link io.sparkqlora.kernels.QLoraException}.
 */
public final class SparkQLora {

    private final JobConfig config;
    private final RunObserver observer;

    private SparkQLora(JobConfig config, RunObserver observer) {
        this.config = config;
        this.observer = observer;
    }

    /** A job that reports nothing while it runs. */
    public static SparkQLora job(JobConfig config) {
        return new SparkQLora(config, RunObserver.NONE);
    }

    /** The same job, which tells of each step: at once in local mode, with the executors' heartbeats on a cluster. */
    public SparkQLora onStep(Consumer<StepMetrics> listener) {
        return new SparkQLora(config, listener::accept);
    }

    /** Tokenises, if need be, and trains or goes on training, until the run is finished. */
    public RunResult train(SparkSession spark) {
        Workspace work = open(spark);
        return RunResult.of(TrainJob.train(work), work.tables(), config.get(RunKeys.OUTPUT_DIR));
    }

    /** Loss of the run's adapter and of its base on {@code eval_dataset}, or on {@code dataset}. */
    public Evaluation evaluate(SparkSession spark, RunResult run) {
        Workspace work = open(spark);
        return EvaluateJob.run(work, RunChoice.of(work, run.runId(), null, run.adapterStep()));
    }

    /** As {@link #evaluate(SparkSession, RunResult)}, of a group's adapter on the rows of its group. */
    public Evaluation evaluate(SparkSession spark, RunResult run, String group) {
        Workspace work = open(spark);
        return EvaluateJob.run(work, RunChoice.of(work, run.runId(), group, null));
    }

    /**
     * As {@link #evaluate(SparkSession, RunResult)}, of an adapter in a folder, as PEFT or {@link #export} write it. Its options are
     * its own, whatever the job says.
     */
    public Evaluation evaluate(SparkSession spark, Path adapter) {
        return EvaluateJob.run(open(spark), FolderChoice.of(config, adapter.toString()));
    }

    /** The run's adapter: the last, or the best with {@code load_best_model_at_end}. */
    public Adapter adapter(SparkSession spark, RunResult run) {
        return RunChoice.of(open(spark), run.runId(), null, run.adapterStep()).adapter();
    }

    /** The adapter of a group of a run with {@code group_by}. */
    public Adapter adapter(SparkSession spark, RunResult run, String group) {
        return RunChoice.of(open(spark), run.runId(), group, null).adapter();
    }

    /**
     * Writes the run's adapter as PEFT saves it: adapter_config.json and adapter_model.safetensors. One that was trained with
     * init_lora_weights pissa, or loftq of several iterations, is made an adapter for the checkpoint as it is stored.
     */
    public void export(SparkSession spark, RunResult run, Path folder) {
        RunChoice.of(open(spark), run.runId(), null, run.adapterStep()).export(folder);
    }

    /**
     * Answers questions through the chat template.
     *
     * @param adapter the adapter, or null for the base alone
     */
    public List<String> generate(Adapter adapter, List<String> questions, GenerationConfig settings) {
        try (Answers answers = Answers.open(config, adapter)) {
            ChatPrompt chat = new ChatPrompt(config, answers.tokenizer());
            return answers.continueAll(questions.stream().map(chat::ofUser).toList(), settings, adapter != null);
        }
    }

    private Workspace open(SparkSession spark) {
        return Workspace.open(spark, config, observer);
    }
}
