// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import org.apache.spark.sql.SparkSession;

/**
 * Times the job from JSON lines to token shards in Parquet, as python/tokenize_benchmark.py times {@code datasets.map}:
 * {@code TokenizeBenchmark <jsonl> <tokenizer folder> <output folder> <cores> [rounds]}. Later rounds have a warm JVM.
 */
public final class TokenizeBenchmark {

    private TokenizeBenchmark() {}

    public static void main(String[] args) throws IOException {
        int rounds = args.length > 4 ? Integer.parseInt(args[4]) : 2;
        try (SparkSession spark = SparkSession.builder()
                        .master("local[" + args[3] + "]")
                        .config("spark.ui.enabled", false)
                        .config("spark.sql.shuffle.partitions", 4)
                        .getOrCreate();
                TextTokenizer tokenizer = TextTokenizer.open(Path.of(args[1]))) {
            for (int round = 0; round < rounds; round++) {
                time(spark, tokenizer, args[0], args[2] + "/" + round);
            }
        }
    }

    private static void time(SparkSession spark, TextTokenizer tokenizer, String source, String output) {
        TokenizeOptions options = TokenizeOptions.builder().maxSeqLength(2048).build();
        long start = System.nanoTime();
        Duration before = cpu();
        try (TokenizationResult result =
                Tokenization.run(spark, DataSource.of(source, "jsonl").read(spark), tokenizer, options)) {
            double packed = (System.nanoTime() - start) / 1e9;
            result.shards().write().mode("overwrite").parquet(output);
            double seconds = (System.nanoTime() - start) / 1e9;
            TokenStatistics statistics = result.statistics();
            System.out.printf(
                    "{\"rows\": %d, \"tokens\": %d, \"fill_ratio\": %.4f, \"packed_s\": %.2f, \"seconds\": %.2f, "
                            + "\"cpu_s\": %.2f, \"tokens_per_second\": %.0f}%n",
                    statistics.rows(),
                    statistics.tokens(),
                    statistics.fillRatio(),
                    packed,
                    seconds,
                    cpu().minus(before).toMillis() / 1e3,
                    (double) statistics.tokens() / seconds);
        }
    }

    /** What this process has had of the processors: on a busy machine the better measure. */
    private static Duration cpu() {
        return ProcessHandle.current().info().totalCpuDuration().orElseThrow();
    }
}
