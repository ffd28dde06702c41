// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.run.Closing;
import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.pipeline.internal.run.RunDevice;
import io.sparkqlora.pipeline.internal.run.RunDevices;
import io.sparkqlora.pipeline.internal.run.StoredFormat;
import io.sparkqlora.tokenize.TextTokenizer;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.Dialogue;
import io.sparkqlora.train.Generation;
import io.sparkqlora.train.GenerationConfig;
import io.sparkqlora.train.Generator;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Continues texts with a base and, if wanted, an adapter, on the driver's own device. */
public final class Answers implements AutoCloseable {

    private final Checkpoint checkpoint;
    private final Device device;
    private final Generator generator;
    private final TextTokenizer tokenizer;

    private Answers(Checkpoint checkpoint, Device device, Generator generator, TextTokenizer tokenizer) {
        this.checkpoint = checkpoint;
        this.device = device;
        this.generator = generator;
        this.tokenizer = tokenizer;
    }

    /**
     * Loads a run's base and adapter.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if base or tokenizer are not the run's, RESOURCES if they don't fit
     *     into memory; nothing is loaded then
     */
    public static Answers open(AdapterChoice choice) {
        BaseModel base = JobInputs.check(choice);
        RunDevice device = RunDevices.here(choice.config());
        JobInputs.requireMemoryForAnswers(choice.config(), base, device);
        return open(choice.withBackend(device.backend()).config(), choice.adapter());
    }

    /** Loads the base that a job names, and an adapter (null: none). */
    public static Answers open(JobConfig config, Adapter adapter) {
        Path folder = BaseFolder.of(config, BasePart.ALL);
        List<AutoCloseable> opened = new ArrayList<>();
        try {
            Checkpoint checkpoint = Checkpoint.open(folder);
            opened.add(checkpoint);
            StoredFormat.of(config, checkpoint.config());
            Device device = RunDevices.open(config);
            opened.add(device);
            Generator generator = Generator.open(
                    device,
                    checkpoint.config(),
                    checkpoint.weights(),
                    EngineSettings.quantization(config, checkpoint.config()),
                    adapter);
            opened.add(generator);
            return new Answers(checkpoint, device, generator, TextTokenizer.open(folder));
        } catch (RuntimeException e) {
            throw Closing.afterFailure(e, opened);
        }
    }

    /** The tokenizer that prompts go through. */
    public TextTokenizer tokenizer() {
        return tokenizer;
    }

    /**
     * Continues texts, which already hold whatever special tokens they need.
     *
     * @return the new text of each, without special tokens
     */
    public List<String> continueAll(List<String> prompts, GenerationConfig settings, boolean withAdapter) {
        List<int[]> ids =
                prompts.stream().map(prompt -> tokenizer.encode(prompt, false)).toList();
        List<Generation> generations = generator.generate(ids, settings, withAdapter);
        return generations.stream().map(each -> text(tokenizer, each)).toList();
    }

    /**
     * Begins a conversation with base and adapter.
     *
     * @param maxTokens most tokens that it may ever have
     */
    public Dialogue dialogue(int maxTokens) {
        return generator.dialogue(Math.min(maxTokens, checkpoint.config().maxSequenceLength()), true);
    }

    /** The new text of a continuation, without special tokens. */
    public static String text(TextTokenizer tokenizer, Generation generation) {
        int[] tokens = generation.tokens();
        int kept = generation.ended() ? tokens.length - 1 : tokens.length;
        return tokenizer.decode(Arrays.copyOf(tokens, kept), true);
    }

    @Override
    public void close() {
        Closing.all(List.of(checkpoint, device, generator, tokenizer));
    }
}
