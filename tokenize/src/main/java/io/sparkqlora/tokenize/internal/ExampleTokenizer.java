// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.io.Serializable;

/** Turns examples into tokens; called by several threads at a time. */
@FunctionalInterface
public interface ExampleTokenizer {

    /** Tokenises one example; what is wrong with the example is a {@link Outcome.Rejected}, never an exception. */
    Outcome tokenize(Example example);

    /** What a task carries to come by the tokenizer of its process. */
    @FunctionalInterface
    interface Source extends Serializable {
        /** The process's tokenizer; made once. */
        ExampleTokenizer open();
    }
}
