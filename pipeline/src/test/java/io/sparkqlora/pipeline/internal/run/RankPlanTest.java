// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.apache.spark.sql.functions.lit;
import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.TestSpark;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;

class RankPlanTest {

    @Test
    void microBatchesGoRoundTheRanks() {
        // 11 rows an epoch: steps of 8, 3; batches of 2
        RankPlan plan = new RankPlan(new StepPlan(11, 8, 4), 2, 2);
        List<Integer> ranks = new ArrayList<>();
        for (long place = 0; place < 22; place++) {
            ranks.add(plan.rankOf(place));
        }
        List<Integer> epoch = List.of(0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1);
        assertThat(ranks.subList(0, 11)).isEqualTo(epoch);
        assertThat(ranks.subList(11, 22)).isEqualTo(epoch);
        assertThat(plan.batchesOf(1)).isEqualTo(2);
        assertThat(plan.firstPlace(1, 1)).isEqualTo(10);
        assertThat(plan.firstPlace(1, 2)).isEqualTo(11);
    }

    @Test
    void theRanksBatchesAreThePlacesOfTheStep() {
        for (int ranks = 1; ranks <= 4; ranks++) {
            RankPlan plan = new RankPlan(new StepPlan(13, 3 * ranks, 10), 3, ranks);
            long next = 0;
            for (long step = 0; step < 10; step++) {
                for (int batch = 0; batch < plan.batchesOf(step); batch++) {
                    assertThat(plan.firstPlace(step, batch)).isEqualTo(next);
                    for (; next < plan.firstPlace(step, batch + 1); next++) {
                        assertThat(plan.rankOf(next)).isEqualTo(batch % ranks);
                    }
                }
            }
        }
    }

    @Test
    void rowsComeToThePartitionsOfTheirRanks() {
        for (int ranks : new int[] {1, 2, 3, 8}) {
            RankKeys keys = RankKeys.of(TestSpark.session(), ranks);
            Dataset<Row> one = TestSpark.session().range(1).toDF("name");
            List<Row> rows = keys.forAll(one).collectAsList();
            assertThat(rows).hasSize(ranks);
            List<Integer> partitions = keys.forAll(one)
                    .javaRDD()
                    .mapPartitionsWithIndex(
                            (index, part) -> {
                                List<Integer> found = new ArrayList<>();
                                part.forEachRemaining(row -> found.add(index));
                                return found.iterator();
                            },
                            true)
                    .collect();
            assertThat(partitions).hasSize(ranks).doesNotHaveDuplicates();
            for (int rank = 0; rank < ranks; rank++) {
                assertThat(keys.partitioned(one.withColumn(RankKeys.COLUMN, lit(keys.keys()[rank])))
                                .javaRDD()
                                .glom()
                                .map(List::size)
                                .collect()
                                .get(rank))
                        .isEqualTo(1);
            }
        }
    }
}
