// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.WeightSource;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A base whose output projection is its token embedding (tie_word_embeddings), as one that has both.
 *
 * @param source the base
 * @param embedding the weight's name in it
 * @param head the name that it has besides
 */
record UntiedWeights(WeightSource source, String embedding, String head) implements WeightSource {

    /** The files with the head beside the embedding, in place of one that a tied base has and nobody reads. */
    Map<String, List<String>> files(Map<String, List<String>> tensorsByFile) {
        Map<String, List<String>> files = new LinkedHashMap<>();
        tensorsByFile.forEach((file, tensors) -> {
            List<String> own = new ArrayList<>(tensors);
            own.remove(head);
            if (own.contains(embedding)) {
                own.add(head);
            }
            files.put(file, own);
        });
        return files;
    }

    private String own(String name) {
        return name.equals(head) ? embedding : name;
    }

    @Override
    public Set<String> names() {
        Set<String> names = new LinkedHashSet<>(source.names());
        names.add(head);
        return names;
    }

    @Override
    public TensorInfo info(String name) {
        return source.info(own(name));
    }

    @Override
    public ByteBuffer readRows(String name, long from, long to) {
        return source.readRows(own(name), from, to);
    }
}
