// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.AbstractList;

/** Python's range. */
final class Range extends AbstractList<Object> {

    private final long start;
    private final long stop;
    private final long step;
    private final int size;

    private Range(long start, long stop, long step, int size) {
        this.start = start;
        this.stop = stop;
        this.step = step;
        this.size = size;
    }

    static Range of(long start, long stop, long step) {
        if (step == 0) {
            throw new TemplateException("range() arg 3 must not be zero");
        }
        double count = Math.ceil(((double) stop - start) / step);
        if (count > Limits.RANGE) {
            throw new TemplateException(
                    "Range too big. The sandbox blocks ranges larger than MAX_RANGE (" + Limits.RANGE + ").");
        }
        return new Range(start, stop, step, (int) Math.max(0, count));
    }

    @Override
    public Object get(int index) {
        return start + index * step;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public String toString() {
        return "range(" + start + ", " + stop + (step == 1 ? "" : ", " + step) + ")";
    }
}
