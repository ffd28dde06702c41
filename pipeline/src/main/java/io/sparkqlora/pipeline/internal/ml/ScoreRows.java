// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import io.sparkqlora.train.Adapter;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;

/** What an executor does with a partition: some rows at a time go through the model that stays in its memory. */
final class ScoreRows implements MapPartitionsFunction<Row, Row> {

    private static final long serialVersionUID = 1L;

    /** As many prompts are continued side by side. */
    private static final int AT_ONCE = 64;

    private final ScoreSpec spec;
    private final Broadcast<Adapter> adapter;

    ScoreRows(ScoreSpec spec, Broadcast<Adapter> adapter) {
        this.spec = spec;
        this.adapter = adapter;
    }

    @Override
    public Iterator<Row> call(Iterator<Row> rows) {
        return new Iterator<>() {

            private Iterator<Row> scored = Collections.emptyIterator();

            @Override
            public boolean hasNext() {
                return scored.hasNext() || rows.hasNext();
            }

            @Override
            public Row next() {
                if (!scored.hasNext()) {
                    scored = score(some(rows)).iterator();
                }
                return scored.next();
            }
        };
    }

    private static List<Row> some(Iterator<Row> rows) {
        TaskContext.get().killTaskIfInterrupted();
        List<Row> some = new ArrayList<>();
        while (some.size() < AT_ONCE && rows.hasNext()) {
            some.add(rows.next());
        }
        return some;
    }

    private List<Row> score(List<Row> rows) {
        return ResidentModel.use(
                spec.base(), spec.adapterHash(), adapter::value, model -> new RowScores(spec, model).of(rows));
    }
}
