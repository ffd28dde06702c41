// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

/** A filter: {@code input | name(arguments)}. */
interface Filter {
    Object apply(Object input, Arguments arguments);
}
