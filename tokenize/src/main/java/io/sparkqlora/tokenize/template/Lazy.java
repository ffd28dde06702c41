// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.Iterator;
import java.util.function.Supplier;

/** A Python generator or iterator: it can be run through once. */
final class Lazy implements Iterator<Object> {

    private final String typeName;
    private Supplier<Iterator<Object>> source;
    private Iterator<Object> items;

    Lazy(String typeName, Supplier<Iterator<Object>> source) {
        this.typeName = typeName;
        this.source = source;
    }

    /** A generator; its items are asked for when they are needed. */
    static Lazy generator(Supplier<Iterator<Object>> source) {
        return new Lazy("generator", source);
    }

    String typeName() {
        return typeName;
    }

    private Iterator<Object> items() {
        if (items == null) {
            items = source.get();
            source = null;
        }
        return items;
    }

    @Override
    public boolean hasNext() {
        return items().hasNext();
    }

    @Override
    public Object next() {
        return items().next();
    }
}
