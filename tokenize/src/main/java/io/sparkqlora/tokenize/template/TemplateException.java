// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

/**
 * A template that can't be compiled or that fails while it renders. The message is the one that jinja2 gives for the
 * same fault, where jinja2 fails too.
 */
public final class TemplateException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final int line;

    TemplateException(String message, int line) {
        super(message);
        this.line = line;
    }

    TemplateException(String message) {
        this(message, 0);
    }

    /** The line of the template, from 1; 0 where it isn't known. */
    public int line() {
        return line;
    }

    TemplateException at(int templateLine) {
        if (line > 0) {
            return this;
        }
        TemplateException located = new TemplateException(getMessage(), templateLine);
        located.setStackTrace(getStackTrace());
        return located;
    }
}
