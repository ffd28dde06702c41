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
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Continues prompts batch by batch, each in one allocation that is sized by running the largest pass on a device that only
 * counts.
 *
 * @param device where the model lies
 * @param adapter or null for the base alone
 */
public record PromptBatches(Device device, BaseModel model, ModelAdapter adapter, GenerationConfig config) {

    /** Tokens of prompts that go through the model together; bounds the buffers, not the prompts. */
    private static final int MAX_PASS_TOKENS = 1024;

    /** The answers, in the order of the prompts. */
    public List<Generation> run(List<int[]> prompts) {
        for (int i = 0; i < prompts.size(); i++) {
            check(i, prompts.get(i));
        }
        List<Generation> answers = new ArrayList<>();
        for (int from = 0; from < prompts.size(); from += config.batchSize()) {
            int to = Math.min(prompts.size(), from + config.batchSize());
            answers.addAll(batch(prompts.subList(from, to), from));
        }
        return answers;
    }

    private void check(int index, int[] prompt) {
        if (prompt.length == 0) {
            throw TrainErrors.badPrompt(index, "it has no token", "begin with the model's bos token");
        }
        for (int token : prompt) {
            if (token < 0 || token >= model.config().vocabSize()) {
                String problem = "token " + token + " is outside the vocabulary of "
                        + model.config().vocabSize();
                throw TrainErrors.badPrompt(index, problem, "use the tokenizer that belongs to the model");
            }
        }
        int max = model.config().maxSequenceLength();
        if (prompt.length > max - config.maxNewTokens()) {
            throw TrainErrors.promptTooLong(index, prompt.length, config.maxNewTokens(), max);
        }
    }

    private List<Generation> batch(List<int[]> prompts, int firstPrompt) {
        CacheSlots slots = CacheSlots.of(prompts, config.maxNewTokens());
        int longest = prompts.stream().mapToInt(p -> p.length).max().orElseThrow() + config.maxNewTokens();
        int passTokens = Math.max(
                prompts.size(),
                Math.min(
                        MAX_PASS_TOKENS,
                        prompts.stream().mapToInt(p -> p.length).sum()));
        long bytes = plan(slots, longest, passTokens);
        try (Arena arena = new Arena(device.allocate(bytes, "keys, values and buffers of generation"))) {
            CachedForward forward = forward(device, arena, slots, longest);
            forward.model().rope().fill(device, model.config());
            return new BatchDecoder(forward, slots, prompts, firstPrompt, config, eos()).run(passTokens);
        }
    }

    private long plan(CacheSlots slots, int longest, int passTokens) {
        PlanningDevice planning = new PlanningDevice();
        Arena arena = planning.unboundedArena();
        int prompts = slots.starts().length - 1;
        forward(planning, arena, slots, longest).logits(PassInput.largest(passTokens, prompts, prompts));
        return arena.peakBytes();
    }

    private CachedForward forward(Device on, Arena arena, CacheSlots slots, int longest) {
        Pass pass = new Pass(on, arena, model.embedding().dtype());
        KeyValueCache cache = KeyValueCache.take(pass, model.config(), slots.rows());
        RopeTables rope = RopeTables.take(model.config(), longest, arena);
        return new CachedForward(new ModelForward(pass, model, adapter, rope), cache);
    }

    private Set<Integer> eos() {
        return Set.copyOf(config.eosTokenIds() == null ? model.config().eosTokenIds() : config.eosTokenIds());
    }
}
