// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

/** Bounds that keep a hostile or broken template from hanging a job. */
final class Limits {

    /** Items of a range, as in jinja2's sandbox. */
    static final int RANGE = 100_000;

    /** Loop iterations and macro calls of one rendering. */
    static final int ITERATIONS = 1_000_000;

    /** UTF-16 units of a text. */
    static final int TEXT = 64 << 20;

    /** Items of a list. */
    static final int ITEMS = 4 << 20;

    private Limits() {}

    static void text(long length) {
        if (length > TEXT) {
            throw new TemplateException("the text grows beyond " + TEXT + " characters");
        }
    }

    static void items(long count) {
        if (count > ITEMS) {
            throw new TemplateException("a list grows beyond " + ITEMS + " items");
        }
    }
}
