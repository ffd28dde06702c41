// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.nio.ByteBuffer;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/** Tokenises the rows of a partition: JSON text in, {@link TokenizedRows} out, of each row as many as its share says. */
final class TokenizeRows implements MapPartitionsFunction<Row, Row> {

    private static final long serialVersionUID = 1L;
    private static final int SHOWN = 2000;

    private final RowShape shape;
    private final RowShare share;
    private final boolean wrapped;
    private final ExampleTokenizer.Source tokenizers;

    /** @param wrapped whether a sequence's first token may follow another's last, and so count */
    TokenizeRows(RowShape shape, RowShare share, boolean wrapped, ExampleTokenizer.Source tokenizers) {
        this.shape = shape;
        this.share = share;
        this.wrapped = wrapped;
        this.tokenizers = tokenizers;
    }

    @Override
    public Iterator<Row> call(Iterator<Row> rows) {
        ExampleTokenizer tokenizer = tokenizers.open();
        RowParser parser = new RowParser(shape);
        return new Copies<>(rows, row -> copies(parser, tokenizer, row.getString(0)));
    }

    private List<Row> copies(RowParser parser, ExampleTokenizer tokenizer, String json) {
        try {
            Map<?, ?> columns = parser.columns(json);
            int copies = share.of(shape, columns, json);
            return copies == 0 ? List.of() : Collections.nCopies(copies, row(parser, columns, tokenizer, json));
        } catch (RejectedRow e) {
            return Collections.nCopies(share.of(shape, null, json), rejected(json, RowGroup.NONE, e.outcome()));
        }
    }

    private Row row(RowParser parser, Map<?, ?> columns, ExampleTokenizer tokenizer, String json) {
        RowGroup group = RowGroup.NONE;
        try {
            group = RowGroup.of(shape.groups(), columns);
            Outcome outcome = tokenizer.tokenize(parser.example(columns));
            if (outcome instanceof Outcome.Pair pair) {
                return row(group, pair.truncated(), pair.first(), pair.inputIds(), pair.labels());
            }
            return outcome instanceof Outcome.Tokenized tokenized
                    ? sequence(json, group, tokenized)
                    : rejected(json, group, (Outcome.Rejected) outcome);
        } catch (RejectedRow e) {
            return rejected(json, group, e.outcome());
        }
    }

    private Row sequence(String json, RowGroup group, Outcome.Tokenized tokenized) {
        int[] labels = tokenized.labels().clone();
        if (labels.length > 0 && !wrapped) {
            // nothing predicts a sequence's first token
            labels[0] = TokenBytes.IGNORED;
        }
        return targets(labels) == 0
                ? rejected(json, group, noTargets(tokenized))
                : row(group, tokenized.truncated(), null, tokenized.inputIds(), labels);
    }

    /** @param first tokens of a pair's first sequence; null of one sequence */
    private static Row row(RowGroup group, boolean truncated, Integer first, int[] ids, int[] labels) {
        byte[] tokens = TokenBytes.encode(ids, labels);
        ByteBuffer key = ByteBuffer.wrap(Hashes.sha256(tokens));
        return RowFactory.create(
                key.getLong(),
                key.getLong(),
                labels.length,
                targets(labels),
                truncated,
                first,
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
