// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import io.sparkqlora.tokenize.internal.Hashes;
import io.sparkqlora.tokenize.internal.SourceText;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.spark.sql.SparkSession;

/**
 * Several sources that make one data set. Each may have columns of its own.
 *
 * @param sources at least one
 * @param copies of each source, how often a row of it is there: 2.5 is twice, and a third time for the half of the rows that a
 *     hash of their content picks
 */
public record SourceMix(List<SourceRows> sources, List<Double> copies) {

    public SourceMix {
        sources = List.copyOf(sources);
        copies = List.copyOf(copies);
    }

    /** One source after the other, each row once. */
    public static SourceMix concatenated(List<SourceRows> sources) {
        return new SourceMix(sources, sources.stream().map(source -> 1.0).toList());
    }

    /**
     * Sources in proportions, as {@code datasets.interleave_datasets} mixes them.
     *
     * @param probabilities of each source, its part of the rows; only their proportions matter
     * @param over whether rows are repeated until each is there at least once ({@code all_exhausted}), or left out so that
     *     none is there twice ({@code first_exhausted})
     */
    public static SourceMix interleaved(
            SparkSession spark, List<SourceRows> sources, List<Double> probabilities, boolean over) {
        long[] rows = new long[sources.size()];
        int reference = 0;
        for (int i = 0; i < rows.length; i++) {
            rows[i] = SourceText.count(spark, sources.get(i));
            if (rows[i] == 0) {
                throw TokenizeErrors.emptySource(sources.get(i).lineage().identity());
            }
            double more = probabilities.get(i) / rows[i] - probabilities.get(reference) / rows[reference];
            reference = (over ? more < 0 : more > 0) ? i : reference;
        }
        // the source that is used up first, or last, is there once
        List<Double> copies = new ArrayList<>();
        for (int i = 0; i < rows.length; i++) {
            copies.add(probabilities.get(i) * rows[reference] / (probabilities.get(reference) * rows[i]));
        }
        return new SourceMix(sources, copies);
    }

    /** Of a single source, its own; else what tells that it is the same mix of the same sources. */
    public Lineage lineage() {
        if (sources.size() == 1 && copies.get(0) == 1.0) {
            return sources.get(0).lineage();
        }
        String identity = IntStream.range(0, sources.size())
                .mapToObj(
                        i -> sources.get(i).lineage().identity() + (copies.get(i) == 1.0 ? "" : " × " + copies.get(i)))
                .collect(Collectors.joining(" + "));
        boolean versioned = sources.stream().allMatch(source -> source.lineage().versioned());
        String versions =
                sources.stream().map(source -> source.lineage().version()).collect(Collectors.joining("\n"));
        return new Lineage(identity, versioned ? "mix:" + Hashes.hex(versions) : null);
    }
}
