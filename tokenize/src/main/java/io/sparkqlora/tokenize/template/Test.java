// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

/** A test: {@code value is name(arguments)}. */
interface Test {
    boolean test(Object value, Arguments arguments);
}
