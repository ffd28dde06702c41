// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Runs matrix products and transpositions, each on the calling thread alone. oneDNN takes about a millisecond to make the code of a shape,
 * so the code of the last {@value #CAPACITY} shapes is kept.
 */
final class Products implements AutoCloseable {

    private static final int CAPACITY = 1024;

    private final Map<Shape, Deque<OneDnnCall>> idle = new LinkedHashMap<>(16, 0.75f, true);
    private final Deque<NativeBuffer> scratch = new ArrayDeque<>();
    private boolean closed;

    /** Computes a product of operands at these addresses. */
    void run(Product product, long a, long b, long c) {
        if (product.involvesHalves()) {
            new WidenedProduct(this, product).run(a, b, c);
            return;
        }
        if (!product.readsPastRows()) {
            execute(product, a, b, c);
            return;
        }
        NativeBuffer buffer = borrowScratch();
        try {
            Product padded = product.paddedA();
            long copy = buffer.atLeast(padded.offsetA(padded.m()));
            padRows(product, a, padded, copy);
            execute(padded, copy, b, c);
        } finally {
            giveBackScratch(buffer);
        }
    }

    private static void padRows(Product product, long a, Product padded, long copy) {
        long bytes = product.k() * product.inputs().bytes();
        Native.fill(copy, padded.offsetA(padded.m()), (byte) 0);
        for (long row = 0; row < product.m(); row++) {
            Native.copy(a + product.offsetA(row), copy + padded.offsetA(row), bytes);
        }
    }

    /** Transposes what is at one address to another. */
    void turn(Turn turn, long from, long to) {
        execute(turn, from, to);
    }

    private void execute(Shape shape, long... addresses) {
        OneDnnCall made = borrow(shape);
        NativeBuffer buffer = borrowScratch();
        try {
            made.run(buffer, addresses);
        } finally {
            giveBackScratch(buffer);
            giveBack(made);
        }
    }

    private OneDnnCall borrow(Shape shape) {
        synchronized (this) {
            Deque<OneDnnCall> made = idle.get(shape);
            if (made != null && !made.isEmpty()) {
                return made.pop();
            }
        }
        return shape.code();
    }

    synchronized NativeBuffer borrowScratch() {
        return scratch.isEmpty() ? new NativeBuffer() : scratch.pop();
    }

    synchronized void giveBackScratch(NativeBuffer buffer) {
        if (closed) {
            buffer.close();
        } else {
            scratch.push(buffer);
        }
    }

    private synchronized void giveBack(OneDnnCall made) {
        if (closed) {
            made.close();
            return;
        }
        idle.computeIfAbsent(made.shape(), shape -> new ArrayDeque<>()).push(made);
        if (idle.size() > CAPACITY) {
            Iterator<Deque<OneDnnCall>> oldest = idle.values().iterator();
            oldest.next().forEach(OneDnnCall::close);
            oldest.remove();
        }
    }

    /** Shapes whose code is kept. */
    synchronized int size() {
        return idle.size();
    }

    @Override
    public synchronized void close() {
        closed = true;
        idle.values().forEach(made -> made.forEach(OneDnnCall::close));
        idle.clear();
        scratch.forEach(NativeBuffer::close);
        scratch.clear();
    }
}
