// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

/** What oneDNN makes code from, about a millisecond a shape. */
interface Shape {

    /** New code for it. */
    OneDnnCall code();
}
