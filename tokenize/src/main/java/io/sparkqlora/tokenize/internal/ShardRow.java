// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.io.Serializable;

/** A packed row, as a bean because Spark's bean encoder copies {@code int[]} whole, without boxing. */
public final class ShardRow implements Serializable {

    private static final long serialVersionUID = 1L;

    private int window;
    private int position;
    private int numTargetTokens;
    private int[] sequenceLengths;
    private int[] inputIds;
    private int[] labels;

    /** For Spark's encoder. */
    public ShardRow() {}

    ShardRow(int window, int position, int[] sequenceLengths, int[] inputIds, int[] labels) {
        this.window = window;
        this.position = position;
        this.sequenceLengths = sequenceLengths;
        this.inputIds = inputIds;
        this.labels = labels;
        for (int label : labels) {
            numTargetTokens += label == TokenBytes.IGNORED ? 0 : 1;
        }
    }

    public int getWindow() {
        return window;
    }

    public void setWindow(int value) {
        window = value;
    }

    /** The row's place within its window. */
    public int getPosition() {
        return position;
    }

    public void setPosition(int value) {
        position = value;
    }

    public int getNumTargetTokens() {
        return numTargetTokens;
    }

    public void setNumTargetTokens(int value) {
        numTargetTokens = value;
    }

    public int[] getSequenceLengths() {
        return sequenceLengths;
    }

    public void setSequenceLengths(int[] value) {
        sequenceLengths = value;
    }

    public int[] getInputIds() {
        return inputIds;
    }

    public void setInputIds(int[] value) {
        inputIds = value;
    }

    public int[] getLabels() {
        return labels;
    }

    public void setLabels(int[] value) {
        labels = value;
    }
}
