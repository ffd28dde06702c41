// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import java.nio.ByteBuffer;

/** Where a payload goes. */
interface Receipt {

    /** Whether a payload of so many bytes can be what is expected; called once, before anything else. */
    boolean accepts(int length);

    /** What is to be filled next; null when everything has come. */
    ByteBuffer room();
}
