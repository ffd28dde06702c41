// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.job.Answers;
import io.sparkqlora.pipeline.internal.job.PreferenceChecks;
import io.sparkqlora.pipeline.internal.run.AdapterConfigJson;
import io.sparkqlora.pipeline.internal.run.Closing;
import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.pipeline.internal.run.ResidentSessions;
import io.sparkqlora.pipeline.internal.run.RunDevices;
import io.sparkqlora.tokenize.TextTokenizer;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.GenerationConfig;
import io.sparkqlora.train.Generator;
import io.sparkqlora.train.LossSum;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.TrainingSession;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * A base in this process's memory that models take turns with: another adapter of the same shape is loaded over the one before,
 * the base stays. Tasks of one process take turns too, so that it holds one base, whatever number of them runs.
 */
final class ResidentModel implements AutoCloseable {

    private static final ReentrantLock TURN = new ReentrantLock(true);

    private final ScoreSpec.Base base;
    private final List<AutoCloseable> opened = new ArrayList<>();
    private final TrainingSession session;
    private final Generator generator;
    private final TextTokenizer tokenizer;
    private String adapterHash;

    private ResidentModel(ScoreSpec.Base base) {
        this.base = base;
        try {
            JobConfig config = ConfigJson.read(base.configJson());
            Path folder = BaseFolder.of(config, BasePart.ALL);
            tokenizer = kept(tokenizer(folder, base.tokenizerHash()));
            Checkpoint checkpoint = kept(Checkpoint.open(folder));
            BaseModel.requireSame(checkpoint, base.fingerprint());
            Device device = kept(RunDevices.open(config));
            // both of a pair go through the model at once
            int maxTokens =
                    PreferenceChecks.wanted(config) ? Math.multiplyExact(2, base.maxTokens()) : base.maxTokens();
            EngineSettings.memory(config, device.traits(), checkpoint.config(), maxTokens)
                    .requireFits(device.name(), device.availableBytes());
            session = kept(TrainingSession.open(
                    device,
                    checkpoint.config(),
                    checkpoint.weights(),
                    EngineSettings.quantization(config, checkpoint.config()),
                    AdapterConfigJson.read(base.adapterConfig()),
                    EngineSettings.arguments(config),
                    maxTokens));
            generator = kept(session.generator());
        } catch (RuntimeException e) {
            throw Closing.afterFailure(e, opened);
        }
    }

    private <T extends AutoCloseable> T kept(T resource) {
        opened.add(resource);
        return resource;
    }

    private static TextTokenizer tokenizer(Path folder, String hash) {
        TextTokenizer tokenizer = TextTokenizer.open(folder);
        if (tokenizer.sha256().equals(hash)) {
            return tokenizer;
        }
        tokenizer.close();
        throw PipelineErrors.notTheRunsTokenizer("of the model", folder.toString(), hash, tokenizer.sha256());
    }

    /**
     * Does something with a base and an adapter; the base that is here is taken, or else loaded.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if base or tokenizer are not the model's, RESOURCES if they don't fit
     *     into memory
     */
    static <T> T use(ScoreSpec.Base base, String hash, Supplier<Adapter> adapter, Function<ResidentModel, T> work) {
        TURN.lock();
        try {
            ResidentModel idle = ResidentSessions.takeOut(ResidentModel.class, each -> each.base.equals(base));
            ResidentModel model = idle == null ? new ResidentModel(base) : idle;
            try {
                model.load(hash, adapter);
                T result = work.apply(model);
                ResidentSessions.release(model);
                return result;
            } catch (RuntimeException e) {
                throw Closing.afterFailure(e, List.of(model));
            }
        } finally {
            TURN.unlock();
        }
    }

    private void load(String hash, Supplier<Adapter> adapter) {
        if (!hash.equals(adapterHash)) {
            adapterHash = null;
            session.loadAdapter(adapter.get());
            adapterHash = hash;
        }
    }

    /** The loss of a pair. */
    double pairLoss(PackedRow pair) {
        return session.evaluatePairs(List.of(pair)).loss();
    }

    /** The loss of a row. */
    LossSum loss(PackedRow row) {
        return session.evaluate(List.of(row), true);
    }

    /** The greedy continuations of prompts. */
    List<String> answers(List<int[]> prompts, int maxNewTokens) {
        return generator.generate(prompts, GenerationConfig.greedy(maxNewTokens), true).stream()
                .map(each -> Answers.text(tokenizer, each))
                .toList();
    }

    /** Tokens as text, without special ones; null where there are none. */
    String text(int[] tokens) {
        return tokens.length == 0 ? null : tokenizer.decode(tokens, true);
    }

    @Override
    public void close() {
        Closing.all(opened);
    }
}
