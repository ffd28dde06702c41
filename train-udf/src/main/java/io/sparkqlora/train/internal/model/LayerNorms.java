// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * One thing for each norm of a decoder layer, null for those that the family has not.
 *
 * @param input before attention
 * @param query of each head of the queries
 * @param key of each head of the keys
 * @param attentionOutput of what attention adds to the residual stream
 * @param feedForward before the feed-forward network
 * @param feedForwardOutput of what the feed-forward network adds
 */
public record LayerNorms<T>(T input, T query, T key, T attentionOutput, T feedForward, T feedForwardOutput) {

    /** The same of what {@code function} makes of each; nulls stay. */
    <R> LayerNorms<R> map(Function<T, R> function) {
        return new LayerNorms<>(
                of(function, input),
                of(function, query),
                of(function, key),
                of(function, attentionOutput),
                of(function, feedForward),
                of(function, feedForwardOutput));
    }

    /** What {@code function} makes of each of these and the other's; of this there may be nulls where the other has something. */
    <U, R> LayerNorms<R> with(LayerNorms<U> other, BiFunction<T, U, R> function) {
        return new LayerNorms<>(
                function.apply(input, other.input),
                function.apply(query, other.query),
                function.apply(key, other.key),
                function.apply(attentionOutput, other.attentionOutput),
                function.apply(feedForward, other.feedForward),
                function.apply(feedForwardOutput, other.feedForwardOutput));
    }

    private static <T, R> R of(Function<T, R> function, T one) {
        return one == null ? null : function.apply(one);
    }

    /** Those that are there. */
    List<T> all() {
        List<T> all = new ArrayList<>();
        map(all::add);
        return all;
    }
}
