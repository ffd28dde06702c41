// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.train.internal.linear.AdapterLayout.Role;

/**
 * A module of the base that may be trained whole ({@code modules_to_save}).
 *
 * @param name its full name, {@code model.embed_tokens}
 * @param rows of its weight; 1 of a norm
 * @param cols of its weight
 * @param role what the weight is for
 */
public record SavedModule(String name, int rows, int cols, Role role) {}
