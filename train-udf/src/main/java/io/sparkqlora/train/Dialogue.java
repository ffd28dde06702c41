// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.train.internal.generate.CachedDialogue;
import java.util.function.IntConsumer;

/**
 * A conversation with a model. Its keys and values stay on the device between answers, so a turn costs what it adds. Not
 * thread-safe; the generator that made it must stay open.
 */
public final class Dialogue implements AutoCloseable {

    private final CachedDialogue dialogue;

    Dialogue(CachedDialogue dialogue) {
        this.dialogue = dialogue;
    }

    /**
     * Answers a prompt: the whole conversation so far, as the chat template renders it.
     *
     * @param prompt token ids, at least one
     * @param listener hears each new token as it is made, the end token too
     * @throws io.sparkqlora.kernels.QLoraException INPUT if a token is outside the vocabulary, CONFIG if prompt and answer could be
     *     longer than the dialogue may be
     */
    public Generation answer(int[] prompt, GenerationConfig config, IntConsumer listener) {
        return dialogue.answer(prompt, config, listener);
    }

    /** How many tokens at a prompt's beginning were there before, and are not computed again. */
    public int known(int[] prompt) {
        return dialogue.known(prompt);
    }

    /** Frees keys and values. */
    @Override
    public void close() {
        dialogue.close();
    }
}
