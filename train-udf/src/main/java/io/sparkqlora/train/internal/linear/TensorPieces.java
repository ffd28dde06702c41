// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.train.NamedTensor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Large tensors as several of some rows each: an array has at most 2³¹ − 1 bytes, which the weights of a vocabulary exceed, and a row of a
 * table is to be far smaller. In a file a tensor is whole.
 */
public final class TensorPieces {

    /** Elements of a piece, more or less: 4 MiB of F32. Parquet gathers a hundred rows before it looks how large a page has become. */
    private static final long ELEMENTS = 1L << 20;

    /** All pieces but the last have a multiple of so many rows: an optimizer's blocks of 8 bits are those of the whole tensor. */
    private static final long ROW_STEP = 256;

    private static final Pattern NAME = Pattern.compile("(.*)\\[(\\d+):\\d+\\]");

    private TensorPieces() {}

    /**
     * Neighbouring rows of a tensor.
     *
     * @param name the tensor's own if these are all of its rows, else {@code name[from:to]}
     * @param from the first
     * @param to the one after the last
     */
    public record Piece(String name, long from, long to) {}

    /** The pieces of a tensor; one if it is not large. */
    public static List<Piece> of(String name, long rows, long cols) {
        long step = Math.max(1, ELEMENTS / cols / ROW_STEP) * ROW_STEP;
        if (rows < step + ROW_STEP) {
            return List.of(new Piece(name, 0, rows));
        }
        List<Piece> pieces = new ArrayList<>();
        for (long from = 0; from < rows; ) {
            long to = rows - from < step + ROW_STEP ? rows : from + step;
            pieces.add(new Piece(name + "[" + from + ":" + to + "]", from, to));
            from = to;
        }
        return pieces;
    }

    /** Tensors and pieces of tensors by the name of the whole, pieces in order. */
    public static Map<String, List<NamedTensor>> wholes(List<NamedTensor> tensors) {
        Map<String, List<NamedTensor>> wholes = new TreeMap<>();
        for (NamedTensor tensor : tensors) {
            Matcher matcher = NAME.matcher(tensor.name());
            String name = matcher.matches() ? matcher.group(1) : tensor.name();
            wholes.computeIfAbsent(name, missing -> new ArrayList<>()).add(tensor);
        }
        wholes.values().forEach(pieces -> pieces.sort(Comparator.comparingLong(TensorPieces::first)));
        return wholes;
    }

    private static long first(NamedTensor tensor) {
        Matcher matcher = NAME.matcher(tensor.name());
        return matcher.matches() ? Long.parseLong(matcher.group(2)) : 0;
    }

    /** The shape of what pieces are of. */
    public static List<Long> shape(List<NamedTensor> pieces) {
        List<Long> shape = new ArrayList<>();
        for (long dimension : pieces.get(0).shape()) {
            shape.add(dimension);
        }
        if (pieces.size() > 1) {
            shape.set(0, pieces.stream().mapToLong(piece -> piece.shape()[0]).sum());
        }
        return shape;
    }
}
