// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.nio.ByteBuffer;
import java.util.Iterator;
import java.util.Map;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/** Tokenises the rows of a partition: JSON text in, {@link TokenizedRows} out, one for one. */
final class TokenizeRows implements MapPartitionsFunction<Row, Row> {

    private static final long serialVersionUID = 1L;
    private static final int SHOWN = 2000;

    private final RowShape shape;
    private final ExampleTokenizer.Source tokenizers;

    TokenizeRows(RowShape shape, ExampleTokenizer.Source tokenizers) {
        this.shape = shape;
        this.tokenizers = tokenizers;
    }

    @Override
    public Iterator<Row> call(Iterator<Row> rows) {
        ExampleTokenizer tokenizer = tokenizers.open();
        RowParser parser = new RowParser(shape);
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return rows.hasNext();
            }

            @Override
            public Row next() {
                return row(parser, tokenizer, rows.next().getString(0));
            }
        };
    }

    private Row row(RowParser parser, ExampleTokenizer tokenizer, String json) {
        RowGroup group = RowGroup.NONE;
        try {
            Map<?, ?> columns = parser.columns(json);
            group = RowGroup.of(shape.groups(), columns);
            Outcome outcome = tokenizer.tokenize(parser.example(columns));
            return outcome instanceof Outcome.Tokenized tokenized
                    ? sequence(json, group, tokenized)
                    : rejected(json, group, (Outcome.Rejected) outcome);
        } catch (RejectedRow e) {
            return rejected(json, group, e.outcome());
        }
    }

    private static Row sequence(String json, RowGroup group, Outcome.Tokenized tokenized) {
        int[] labels = tokenized.labels().clone();
        if (labels.length > 0) {
            // nothing predicts a sequence's first token
            labels[0] = TokenBytes.IGNORED;
        }
        int targets = targets(labels);
        if (targets == 0) {
            return rejected(json, group, noTargets(tokenized));
        }
        byte[] tokens = TokenBytes.encode(tokenized.inputIds(), labels);
        ByteBuffer key = ByteBuffer.wrap(Hashes.sha256(tokens));
        return RowFactory.create(
                key.getLong(),
                key.getLong(),
                labels.length,
                targets,
                tokenized.truncated(),
                group.key(),
                group.hyperparameters(),
                null,
                null,
                null,
                tokens);
    }

    private static int targets(int[] labels) {
        int targets = 0;
        for (int label : labels) {
            targets += label == TokenBytes.IGNORED ? 0 : 1;
        }
        return targets;
    }

    private static Outcome.Rejected noTargets(Outcome.Tokenized tokenized) {
        return new Outcome.Rejected(
                "no_target_tokens",
                "none of the " + tokenized.inputIds().length + " tokens counts in the loss"
                        + (tokenized.truncated() ? ", the ones that did were cut off by max_seq_length" : ""));
    }

    private static Row rejected(String json, RowGroup group, Outcome.Rejected rejected) {
        return RowFactory.create(
                null,
                null,
                null,
                null,
                null,
                group.key(),
                group.hyperparameters(),
                rejected.reason(),
                rejected.detail(),
                shown(json),
                null);
    }

    /** The beginning of a row, not ending within a surrogate pair. */
    private static String shown(String json) {
        if (json.length() <= SHOWN) {
            return json;
        }
        return json.substring(0, Character.isHighSurrogate(json.charAt(SHOWN - 1)) ? SHOWN - 1 : SHOWN);
    }
}
