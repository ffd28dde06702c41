// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import java.util.Collections;
import java.util.Map;

/**
 * What a safetensors file says about itself.
 *
 * @param tensors by name, in the order of their bytes
 * @param metadata free text by key
 */
record SafetensorsHeader(Map<String, TensorEntry> tensors, Map<String, String> metadata) {

    SafetensorsHeader {
        tensors = Collections.unmodifiableMap(tensors);
        metadata = Collections.unmodifiableMap(metadata);
    }
}
