// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

/** An object of the template engine with attributes of its own. */
interface HasAttributes {

    /** What {@link #attribute} gives for a name it doesn't have. */
    Object ABSENT = new Object();

    /** The attribute, or {@link #ABSENT}. */
    Object attribute(String name);

    /** The name of its type, as error messages print it. */
    String typeName();
}
