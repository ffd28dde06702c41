// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Runs matrix products, each on the calling thread alone. oneDNN takes about a millisecond to make the code of a shape, so
 * the code of the last {@value #CAPACITY} shapes is kept.
 */
final class Products implements AutoCloseable {

    private static final int CAPACITY = 1024;

    private final Map<Product, Deque<OneDnnMatmul>> idle = new LinkedHashMap<>(16, 0.75f, true);
    private final Deque<NativeBuffer> scratch = new ArrayDeque<>();
    private boolean closed;

    /** Computes a product of operands at these addresses. */
    void run(Product product, long a, long b, long c) {
        if (product.involvesHalves()) {
            new WidenedProduct(this, product).run(a, b, c);
            return;
        }
        if (!product.readsPastRows()) {
            runAsIs(product, a, b, c);
            return;
        }
        NativeBuffer buffer = borrowScratch();
        try {
            Product padded = product.paddedA();
            long copy = buffer.atLeast(padded.offsetA(padded.m()));
            padRows(product, a, padded, copy);
            runAsIs(padded, copy, b, c);
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

    private void runAsIs(Product product, long a, long b, long c) {
        OneDnnMatmul made = borrow(product);
        NativeBuffer buffer = borrowScratch();
        try {
            made.run(a, b, c, buffer);
        } finally {
            giveBackScratch(buffer);
            giveBack(made);
        }
    }

    private OneDnnMatmul borrow(Product product) {
        synchronized (this) {
            Deque<OneDnnMatmul> made = idle.get(product);
            if (made != null && !made.isEmpty()) {
                return made.pop();
            }
        }
        return new OneDnnMatmul(product);
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

    private synchronized void giveBack(OneDnnMatmul made) {
        if (closed) {
            made.close();
            return;
        }
        idle.computeIfAbsent(made.product(), product -> new ArrayDeque<>()).push(made);
        if (idle.size() > CAPACITY) {
            Iterator<Deque<OneDnnMatmul>> oldest = idle.values().iterator();
            oldest.next().forEach(OneDnnMatmul::close);
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
        idle.values().forEach(made -> made.forEach(OneDnnMatmul::close));
        idle.clear();
        scratch.forEach(NativeBuffer::close);
        scratch.clear();
    }
}
