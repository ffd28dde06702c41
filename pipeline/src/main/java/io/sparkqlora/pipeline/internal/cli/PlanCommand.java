// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.job.JobInputs;
import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.pipeline.internal.run.FirstAdapter;
import io.sparkqlora.pipeline.internal.run.RunDevice;
import io.sparkqlora.pipeline.internal.run.RunDevices;
import io.sparkqlora.pipeline.internal.run.StoredFormat;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.MemoryPlan;
import io.sparkqlora.train.ModelConfig;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code qlora plan}. */
@Command(
        name = "plan",
        description = "Shows the device memory that a job will need, by part. Reads only config.json, and of a "
                + "checkpoint that is quantised already what stands beside its weights.")
final class PlanCommand extends QLoraCommand {

    private static final double MIB = 1024.0 * 1024.0;

    @Mixin
    JobOptions options;

    PlanCommand(Console console) {
        super(console);
    }

    @Override
    Map<String, Object> execute() {
        JobConfig asked = options.configOfModel();
        ModelConfig model = model(asked);
        JobConfig config = FirstAdapter.settle(asked, model);
        StoredFormat.of(config, model);
        int maxTokens = JobInputs.batchTokens(config, JobInputs.longestRow(config));
        RunDevice device = RunDevices.here(config);
        MemoryPlan plan = EngineSettings.memory(config, device.traits(), model, maxTokens);
        console.err().println("micro-batches of at most " + maxTokens + " tokens" + ranks(config));
        return outcome(plan, device, maxTokens);
    }

    /** The size of stored blocks stands beside the weights, not in config.json. */
    private static ModelConfig model(JobConfig asked) {
        ModelConfig model =
                ModelConfig.parse(BaseFolder.of(asked, BasePart.CONFIG).resolve("config.json"));
        if (model.quantization() == null) {
            return model;
        }
        try (Checkpoint checkpoint = Checkpoint.open(BaseFolder.of(asked, BasePart.ALL))) {
            return checkpoint.config();
        }
    }

    private static String ranks(JobConfig config) {
        int ranks = config.get(ExecutorKeys.NUM_PROCESSES);
        if (ranks == 1) {
            return "";
        }
        String base = config.get(ExecutorKeys.SHARD_BASE) ? "1/" + ranks + " of the layers" : "the whole base";
        return "; each of " + ranks + " ranks keeps " + base + " and takes:";
    }

    private Map<String, Object> outcome(MemoryPlan plan, RunDevice device, int maxTokens) {
        plan.parts().forEach((part, bytes) -> print(part.replace('_', ' '), bytes));
        print("total", plan.total());
        plan.hostParts().forEach((part, bytes) -> print("host " + part.replace('_', ' '), bytes));
        print("available on " + device.name(), device.availableBytes());
        Map<String, Object> outcome = new LinkedHashMap<>();
        outcome.put("max_tokens", maxTokens);
        outcome.put("parts", plan.parts());
        outcome.put("total_bytes", plan.total());
        outcome.put("host_parts", plan.hostParts());
        outcome.put("host_bytes", plan.hostTotal());
        outcome.put("backend", device.backend());
        outcome.put("device", device.name());
        outcome.put("available_bytes", device.availableBytes());
        outcome.put("fits", plan.total() <= device.availableBytes());
        return outcome;
    }

    private void print(String part, long bytes) {
        console.err().println(String.format(Locale.ROOT, "%12.1f MiB  %s", bytes / MIB, part));
    }
}
