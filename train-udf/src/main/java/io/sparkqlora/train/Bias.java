// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

/** Which biases of the base's linear layers are trained, as PEFT's {@code bias}. Most families have none. */
public enum Bias {

    /** None. */
    NONE,

    /** Those of all layers. */
    ALL,

    /** Those of the layers that get an adapter. */
    LORA_ONLY
}
