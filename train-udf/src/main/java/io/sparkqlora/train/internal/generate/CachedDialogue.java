// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.generate;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.PlanningDevice;
import io.sparkqlora.train.Generation;
import io.sparkqlora.train.GenerationConfig;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.BaseModel;
import io.sparkqlora.train.internal.model.ModelAdapter;
import io.sparkqlora.train.internal.model.ModelForward;
import io.sparkqlora.train.internal.model.RopeTables;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.IntConsumer;

/**
 * One sequence that grows: keys and values stay between answers, and of the next prompt only what differs from what is there goes
 * through the model.
 */
public final class CachedDialogue implements AutoCloseable {

    /** Tokens that go through the model together. */
    private static final int MAX_PASS_TOKENS = 512;

    private final BaseModel model;
    private final Arena arena;
    private final CachedForward forward;
    private final CacheSlots slots;
    private final int[] tokens;
    private int cached;

    /** @param maxTokens of prompt and answer together, at any time */
    public CachedDialogue(Device device, BaseModel model, ModelAdapter adapter, int maxTokens) {
        this.model = model;
        this.tokens = new int[maxTokens];
        this.slots = new CacheSlots(new int[] {0, maxTokens});
        PlanningDevice planning = new PlanningDevice();
        Arena counting = planning.unboundedArena();
        forward(planning, counting, adapter).logits(PassInput.largest(Math.min(maxTokens, MAX_PASS_TOKENS), 1, 1));
        this.arena = new Arena(device.allocate(counting.peakBytes(), "keys, values and buffers of a dialogue"));
        try {
            this.forward = forward(device, arena, adapter);
            forward.model().rope().fill(device, model.config());
        } catch (RuntimeException | Error e) {
            arena.close();
            throw e;
        }
    }

    private CachedForward forward(Device on, Arena from, ModelAdapter adapter) {
        Pass pass = new Pass(on, from, model.embedding().dtype());
        KeyValueCache cache = KeyValueCache.take(pass, model.config(), slots.rows());
        RopeTables rope = RopeTables.take(model.config(), tokens.length, from);
        return new CachedForward(new ModelForward(pass, model, adapter, rope), cache);
    }

    /**
     * Continues a prompt.
     *
     * @param listener hears each token as it is made
     */
    public Generation answer(int[] prompt, GenerationConfig config, IntConsumer listener) {
        check(prompt, config);
        TokenPicker picker = new TokenPicker(config);
        Set<Integer> eos =
                Set.copyOf(config.eosTokenIds() == null ? model.config().eosTokenIds() : config.eosTokenIds());
        RopeTables rope = forward.model().rope();
        float[] logits = read(prompt);
        int length = prompt.length;
        boolean ended = false;
        while (!ended && length < prompt.length + config.maxNewTokens()) {
            int token = picker.pick(logits, 0, length - prompt.length);
            tokens[length++] = token;
            listener.accept(token);
            ended = eos.contains(token);
            if (!ended && length < prompt.length + config.maxNewTokens()) {
                logits = rope.turnsOtherwiseAt(length) ? read(length) : feed(length - 1, 1, length);
            }
        }
        return new Generation(Arrays.copyOfRange(tokens, prompt.length, length), ended);
    }

    /** How many of a prompt's tokens need not go through the model. */
    public int known(int[] prompt) {
        RopeTables rope = forward.model().rope();
        if (rope.row(0, cached) != rope.row(0, prompt.length)) {
            return 0;
        }
        int same = Arrays.mismatch(tokens, 0, cached, prompt, 0, prompt.length);
        // the last one's logits are wanted
        return Math.min(same < 0 ? cached : same, prompt.length - 1);
    }

    private void check(int[] prompt, GenerationConfig config) {
        if (prompt.length == 0) {
            throw TrainErrors.badPrompt(0, "it has no token", "begin with the model's bos token");
        }
        int vocabulary = model.config().vocabSize();
        if (Arrays.stream(prompt).anyMatch(token -> token < 0 || token >= vocabulary)) {
            throw TrainErrors.badPrompt(
                    0,
                    "a token is outside the vocabulary of " + vocabulary,
                    "use the tokenizer that belongs to the model");
        }
        if (prompt.length > tokens.length - config.maxNewTokens()) {
            throw TrainErrors.promptTooLong(0, prompt.length, config.maxNewTokens(), tokens.length);
        }
    }

    private float[] read(int[] prompt) {
        int from = known(prompt);
        System.arraycopy(prompt, from, tokens, from, prompt.length - from);
        cached = from;
        return feedUpTo(prompt.length);
    }

    /** What is known from its beginning, when it turns otherwise. */
    private float[] read(int length) {
        cached = 0;
        return feedUpTo(length);
    }

    private float[] feedUpTo(int length) {
        float[] logits = null;
        while (cached < length) {
            logits = feed(cached, Math.min(MAX_PASS_TOKENS, length - cached), length);
        }
        return logits;
    }

    private float[] feed(int from, int count, int length) {
        Segment segment = new Segment(0, from, tokens, count, length, true);
        PassInput input = PassInput.of(slots, forward.model().rope(), List.of(segment));
        float[] logits = forward.logits(input).get(0);
        cached = from + count;
        return logits;
    }

    @Override
    public void close() {
        arena.close();
    }
}
