// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.generate;

import io.sparkqlora.train.Generation;
import io.sparkqlora.train.GenerationConfig;
import io.sparkqlora.train.internal.model.RopeTables;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Continues the prompts of one batch side by side: first all prompts go through the model, as many tokens at a time as a pass
 * may have, then one token of every unfinished answer at a time. A sequence that its new token makes so long that its rotary embedding is another
 * one goes through the model whole once more, as in transformers.
 */
final class BatchDecoder {

    /** One prompt and its answer so far. */
    private static final class Sequence {

        private final int prompt;
        private final int promptLength;
        private final int[] tokens;
        private int length;
        private boolean ended;

        Sequence(int prompt, int[] promptTokens, int maxNewTokens) {
            this.prompt = prompt;
            this.promptLength = promptTokens.length;
            this.tokens = Arrays.copyOf(promptTokens, promptTokens.length + maxNewTokens);
            this.length = promptTokens.length;
        }

        boolean finished() {
            return ended || length == tokens.length;
        }

        Generation answer() {
            return new Generation(Arrays.copyOfRange(tokens, promptLength, length), ended);
        }
    }

    private final CachedForward forward;
    private final CacheSlots slots;
    private final TokenPicker picker;
    private final Set<Integer> eos;
    private final int firstPrompt;
    private final List<Sequence> sequences = new ArrayList<>();

    /**
     * @param firstPrompt index of the batch's first prompt among all, for the draws
     * @param eos tokens that end an answer
     */
    BatchDecoder(
            CachedForward forward,
            CacheSlots slots,
            List<int[]> prompts,
            int firstPrompt,
            GenerationConfig config,
            Set<Integer> eos) {
        this.forward = forward;
        this.slots = slots;
        this.picker = new TokenPicker(config);
        this.eos = eos;
        this.firstPrompt = firstPrompt;
        prompts.forEach(p -> sequences.add(new Sequence(sequences.size(), p, config.maxNewTokens())));
    }

    /** The answers, in the order of the prompts. */
    List<Generation> run(int maxPassTokens) {
        RopeTables rope = forward.model().rope();
        read(sequences, maxPassTokens);
        List<Sequence> active = unfinished(sequences);
        while (!active.isEmpty()) {
            Map<Boolean, List<Sequence>> again =
                    active.stream().collect(Collectors.partitioningBy(s -> rope.turnsOtherwiseAt(s.length)));
            List<Segment> next = again.get(false).stream()
                    .map(s -> new Segment(s.prompt, s.length - 1, s.tokens, 1, s.length, true))
                    .toList();
            if (!next.isEmpty()) {
                pass(next);
            }
            read(again.get(true), maxPassTokens);
            active = unfinished(active);
        }
        return sequences.stream().map(Sequence::answer).toList();
    }

    private static List<Sequence> unfinished(List<Sequence> sequences) {
        return sequences.stream().filter(s -> !s.finished()).toList();
    }

    /** All of what is known of sequences. */
    private void read(List<Sequence> some, int maxPassTokens) {
        List<Segment> segments = new ArrayList<>();
        int room = maxPassTokens;
        for (Sequence sequence : some) {
            int length = sequence.length;
            for (int from = 0; from < length; ) {
                int count = Math.min(room, length - from);
                boolean last = from + count == length;
                segments.add(new Segment(sequence.prompt, from, sequence.tokens, count, length, last));
                from += count;
                room -= count;
                if (room == 0) {
                    pass(segments);
                    segments.clear();
                    room = maxPassTokens;
                }
            }
        }
        if (!segments.isEmpty()) {
            pass(segments);
        }
    }

    private void pass(List<Segment> segments) {
        List<float[]> logits =
                forward.logits(PassInput.of(slots, forward.model().rope(), segments));
        int row = 0;
        for (Segment segment : segments) {
            if (segment.last()) {
                append(sequences.get(segment.prompt()), logits.get(row++));
            }
        }
    }

    private void append(Sequence sequence, float[] logits) {
        int step = sequence.length - sequence.promptLength;
        int token = picker.pick(logits, firstPrompt + sequence.prompt, step);
        sequence.tokens[sequence.length++] = token;
        sequence.ended = eos.contains(token);
    }
}
