// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import io.sparkqlora.train.TensorInfo;

/**
 * A tensor of a file.
 *
 * @param info type and shape
 * @param begin first byte, counted from the end of the header
 * @param end after the last byte
 */
record TensorEntry(TensorInfo info, long begin, long end) {}
