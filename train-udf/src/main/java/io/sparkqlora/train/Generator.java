// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.train.internal.generate.CachedDialogue;
import io.sparkqlora.train.internal.generate.InferenceModel;
import io.sparkqlora.train.internal.generate.PromptBatches;
import io.sparkqlora.train.internal.model.BaseModel;
import io.sparkqlora.train.internal.model.ModelAdapter;
import io.sparkqlora.train.internal.step.SessionArenas;
import java.util.List;

/** Continues prompts with a key/value cache, with and without the adapter. Not thread-safe. */
public final class Generator implements AutoCloseable {

    private final Device device;
    private final BaseModel model;
    private final ModelAdapter adapter;
    private final InferenceModel.AsItBegan began;
    private final SessionArenas owned;

    private Generator(Device device, InferenceModel loaded, SessionArenas owned) {
        this.device = device;
        this.model = loaded.model();
        this.adapter = loaded.adapter();
        this.began = loaded.began();
        this.owned = owned;
    }

    /** One that uses a session's base and its adapter as it is at each call; the session must stay open. */
    static Generator of(TrainingSession session) {
        return new Generator(
                session.device(),
                new InferenceModel(
                        session.buffers().model(), session.buffers().slot().views(), session.asItBegan()),
                new SessionArenas(session.device()));
    }

    /**
     * Loads a base and an adapter without anything that training needs.
     *
     * @param adapter or null for the base alone
     * @throws io.sparkqlora.kernels.QLoraException INPUT if a weight is missing or misshapen or the adapter does not fit,
     *     RESOURCES if the memory does not suffice
     */
    public static Generator open(
            Device device, ModelConfig model, WeightSource weights, QuantizationConfig quantization, Adapter adapter) {
        SessionArenas arenas = new SessionArenas(device);
        try {
            InferenceModel loaded = InferenceModel.load(device, arenas, model, weights, quantization, adapter);
            return new Generator(device, loaded, arenas);
        } catch (RuntimeException | Error e) {
            arenas.close();
            throw e;
        }
    }

    /**
     * Continues prompts.
     *
     * @param prompts token ids, each at least one
     * @param withAdapter whether the adapter takes part; if not, one that began with a part of the base takes part as it began
     * @return the answers, in the order of the prompts
     * @throws io.sparkqlora.kernels.QLoraException INPUT if a prompt is empty or has a token outside the vocabulary, CONFIG if
     *     an answer could outgrow the model's {@code max_position_embeddings}, RESOURCES if there is too little memory
     */
    public List<Generation> generate(List<int[]> prompts, GenerationConfig config, boolean withAdapter) {
        if (withAdapter && adapter == null) {
            throw TrainErrors.noAdapter();
        }
        if (!withAdapter && began != null) {
            return began.generate(() -> new PromptBatches(device, model, adapter, config).run(prompts));
        }
        return new PromptBatches(device, model, withAdapter ? adapter : null, config).run(prompts);
    }

    /**
     * Begins a conversation.
     *
     * @param maxTokens most tokens that it may ever have, answers included; memory for their keys and values is held
     * @throws io.sparkqlora.kernels.QLoraException RESOURCES if there is too little memory; CONFIG without an adapter that began
     *     with a part of the base
     */
    public Dialogue dialogue(int maxTokens, boolean withAdapter) {
        if (withAdapter && adapter == null) {
            throw TrainErrors.noAdapter();
        }
        if (!withAdapter && began != null) {
            throw InitErrors.noDialogue();
        }
        return new Dialogue(new CachedDialogue(device, model, withAdapter ? adapter : null, maxTokens));
    }

    /** Frees what this loaded; a session's memory stays. */
    @Override
    public void close() {
        owned.close();
    }
}
