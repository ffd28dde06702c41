// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.TrainingKeys;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.pipeline.internal.run.FirstAdapter;
import io.sparkqlora.pipeline.internal.run.RunDevice;
import io.sparkqlora.pipeline.internal.run.StoredFormat;
import io.sparkqlora.tokenize.TextTokenizer;
import io.sparkqlora.train.MemoryPlan;
import io.sparkqlora.train.ModelConfig;
import java.nio.file.Files;
import java.nio.file.Path;

/** Checks what goes into a job before anything is written. */
public final class JobInputs {

    /** Of a micro-batch; more than any device holds, and few enough that the plan can be made. */
    private static final int MOST_TOKENS = 1 << 24;

    private static final int USUAL_BLOCK = 64;

    private JobInputs() {}

    /**
     * Checks checkpoint, tokenizer, target modules and the adapter that is gone on from, and that the job says nothing else of a
     * quantised checkpoint than it does.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT or CONFIG, with what is wrong and the fix
     */
    public static BaseModel check(JobConfig config) {
        BaseModel base = BaseModel.open(BaseFolder.of(config, BasePart.ALL));
        try (TextTokenizer tokenizer = TextTokenizer.open(base.folder())) {
            tokenizer.agreesWith(base.config().vocabSize());
        }
        StoredFormat.of(config, base.config());
        JobConfig settled = FirstAdapter.settle(config, base.config());
        FirstAdapter.check(settled, base.config());
        EngineSettings.memory(settled, DeviceTraits.HOST, base.config(), 2);
        return base;
    }

    /**
     * Checks what can be known of a base without its weights, which are not fetched: configuration, tokenizer and target modules.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT or CONFIG, with what is wrong and the fix
     */
    public static BaseModel checkWithoutWeights(JobConfig config) {
        Path folder = BaseFolder.of(config, BasePart.TOKENIZER);
        ModelConfig model = planned(ModelConfig.parse(folder.resolve("config.json")));
        checkTokenizer(config);
        EngineSettings.memory(FirstAdapter.settle(config, model), DeviceTraits.HOST, model, 2);
        return new BaseModel(config.get(ModelKeys.MODEL_NAME_OR_PATH), folder, model, "");
    }

    /** How long the blocks of a quantised base are stands beside its weights; nearly all have bitsandbytes' default. */
    private static ModelConfig planned(ModelConfig model) {
        return model.quantization() == null
                ? model
                : model.withQuantization(model.quantization().withBlockSize(USUAL_BLOCK));
    }

    /**
     * Checks the tokenizer, against the model where there is one: a folder may hold the tokenizer's files alone.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT, with what is wrong and the fix
     */
    static void checkTokenizer(JobConfig config) {
        Path folder = BaseFolder.of(config, BasePart.TOKENIZER);
        Path model = folder.resolve("config.json");
        try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
            if (Files.exists(model)) {
                tokenizer.agreesWith(ModelConfig.parse(model).vocabSize());
            }
        }
    }

    /**
     * Checks that base and tokenizer are those that an adapter was trained with, where that is known.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if they are missing, damaged, or others
     */
    public static BaseModel check(AdapterChoice choice) {
        BaseModel base = check(choice.config());
        AdapterSource source = choice.source();
        if (source.runId() == null) {
            return base;
        }
        if (!base.fingerprint().equals(source.fingerprint())) {
            throw PipelineErrors.notTheRunsBase(
                    source.runId(), base.folder().toString(), source.fingerprint(), base.fingerprint());
        }
        try (TextTokenizer tokenizer = TextTokenizer.open(base.folder())) {
            if (!tokenizer.sha256().equals(source.tokenizerHash())) {
                throw PipelineErrors.notTheRunsTokenizer(
                        source.runId(), base.folder().toString(), source.tokenizerHash(), tokenizer.sha256());
            }
        }
        return base;
    }

    /** The most tokens that a packed row of a job can have: each sequence of a pair may have {@code max_seq_length}. */
    public static int longestRow(JobConfig config) {
        return Math.multiplyExact(PreferenceChecks.wanted(config) ? 2 : 1, config.get(DataKeys.MAX_SEQ_LENGTH));
    }

    /**
     * The most tokens that go through the model at once: of a micro-batch, or of as many as groups are trained side by side.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if they are more than can be planned
     */
    public static int batchTokens(JobConfig config, int longestRow) {
        long rows =
                (long) config.get(TrainingKeys.PER_DEVICE_TRAIN_BATCH_SIZE) * config.get(GroupKeys.GROUPS_PER_DEVICE);
        long tokens = Math.multiplyExact(rows, longestRow);
        if (tokens > MOST_TOKENS) {
            throw PipelineErrors.batchTooLarge(rows, longestRow, MOST_TOKENS);
        }
        return Math.max(2, (int) tokens);
    }

    /** Checks that micro-batches of rows of so many tokens fit on the device. */
    static void requireMemory(JobConfig config, BaseModel base, RunDevice device, int longestRow) {
        memory(config, base, device, longestRow).requireFits(device.name(), device.availableBytes());
    }

    /** What micro-batches of rows of so many tokens take. */
    public static MemoryPlan memory(JobConfig config, BaseModel base, RunDevice device, int longestRow) {
        return EngineSettings.memory(config, device.traits(), base.config(), batchTokens(config, longestRow));
    }

    /** Checks that base and adapter fit on the device; what prompts add is checked with the prompts. */
    static void requireMemoryForAnswers(JobConfig config, BaseModel base, RunDevice device) {
        MemoryPlan plan = EngineSettings.memory(config, device.traits(), base.config(), 2);
        long need = plan.baseWeights() + plan.embeddings() + plan.adapter() + plan.shadowCopies();
        if (need > device.availableBytes()) {
            throw PipelineErrors.answersNeedMemory(device.name(), need, device.availableBytes());
        }
    }
}
