// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import io.sparkqlora.tokenize.internal.NativeTokenizer.Encoded;
import io.sparkqlora.tokenize.template.TemplateSpan;

/**
 * Token ids and the text that each covers, in UTF-16 units. Tokens that the post-processor added cover nothing (0, 0);
 * the parts of a character that is split over tokens each cover the whole character.
 */
record TokenOffsets(int[] ids, int[] starts, int[] ends) {

    static TokenOffsets of(Encoded encoded) {
        return new TokenOffsets(encoded.ids(), encoded.starts(), encoded.ends());
    }

    /**
     * Marks the tokens of a span: from the first that overlaps it to the last that does. transformers goes by the tokens
     * of the span's first and last character, which is the same except that it leaves out all but the first token of a
     * last character that is split over tokens.
     *
     * @param from where to begin looking: tokens before it end before the span
     * @return where to begin looking for a later span
     */
    int mark(TemplateSpan span, boolean[] counted, int from) {
        int first = from;
        while (first < ids.length && (ends[first] <= span.start() || starts[first] >= ends[first])) {
            first++;
        }
        int last = first;
        for (int i = first; i < ids.length && starts[i] < span.end(); i++) {
            last = ends[i] > starts[i] ? i + 1 : last;
        }
        for (int i = first; i < last; i++) {
            counted[i] = true;
        }
        return first;
    }

    /** The first token that reaches beyond a position of the text; the count of tokens if none does. */
    int firstBeyond(int position) {
        int token = 0;
        while (token < ids.length && ends[token] <= position) {
            token++;
        }
        return token;
    }
}
