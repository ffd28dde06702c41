// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.List;

/** Where statements write; knows how much of the final text is written already, for the marks of assistant text. */
final class Output {

    private final StringBuilder text = new StringBuilder();
    private final Output root;
    private final List<TemplateSpan> spans;

    private Output(Output root, List<TemplateSpan> spans) {
        this.root = root;
        this.spans = spans;
    }

    static Output root() {
        return new Output(null, new ArrayList<>());
    }

    /** A buffer for a macro or a block whose text is used elsewhere. */
    Output nested() {
        return new Output(root == null ? this : root, spans);
    }

    void append(String piece) {
        Limits.text((long) text.length() + piece.length());
        text.append(piece);
    }

    /**
     * Marks text that is about to be written. As in transformers the start is what the template itself has written so
     * far: inside a macro that isn't where the text ends up.
     */
    void mark(String assistantText) {
        int start = (root == null ? this : root).text.length();
        spans.add(new TemplateSpan(start, start + assistantText.length()));
    }

    String text() {
        return text.toString();
    }

    List<TemplateSpan> spans() {
        return spans;
    }
}
