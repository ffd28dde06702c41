// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.Function;

/** Of each element none, one or several others, one after the other. */
final class Copies<S, T> implements Iterator<T> {

    private final Iterator<S> source;
    private final Function<S, List<T>> copies;
    private Iterator<T> current = Collections.emptyIterator();

    Copies(Iterator<S> source, Function<S, List<T>> copies) {
        this.source = source;
        this.copies = copies;
    }

    @Override
    public boolean hasNext() {
        while (!current.hasNext() && source.hasNext()) {
            current = copies.apply(source.next()).iterator();
        }
        return current.hasNext();
    }

    @Override
    public T next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        return current.next();
    }
}
