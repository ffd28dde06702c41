// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

/**
 * A piece of the rendered text.
 *
 * @param start its first UTF-16 unit
 * @param end the unit after its last
 */
public record TemplateSpan(int start, int end) {}
