// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

/** Text that counts as safe HTML: adding plain text to it escapes that text. */
record Markup(String text) {

    /** Text or markup as markup, escaped unless it is markup already. */
    static Markup escape(Object value) {
        return value instanceof Markup markup ? markup : new Markup(Text.escapeHtml(Repr.str(value)));
    }
}
