// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.tables;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;

import io.delta.tables.DeltaTable;
import io.sparkqlora.pipeline.PipelineErrors;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.CreateTableWriter;
import org.apache.spark.sql.DataFrameWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.analysis.TableAlreadyExistsException;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.StructField;

/** Reads and writes the tables under one output directory. */
public final class JobTables {

    /** At a commit that loses races. */
    private static final int ATTEMPTS = 12;
    /** At a commit that the store doesn't take. */
    private static final int ATTEMPTS_AT_THE_STORE = 4;

    private final SparkSession spark;
    private final String root;
    private final Set<Table> created = EnumSet.noneOf(Table.class);

    /** Tables under a root; nothing is created yet. */
    public JobTables(SparkSession spark, String root) {
        this.spark = spark;
        this.root = absolute(spark, root);
    }

    /** Delta takes a relative path for a table's name. A local path stays without its scheme, as people write it. */
    private static String absolute(SparkSession spark, String root) {
        try {
            Path path = new Path(root);
            URI uri = path.getFileSystem(spark.sessionState().newHadoopConf())
                    .makeQualified(path)
                    .toUri();
            return "file".equals(uri.getScheme()) ? uri.getPath() : uri.toString();
        } catch (IOException | RuntimeException e) {
            throw PipelineErrors.outputUnusable(root, e);
        }
    }

    /** The output directory, absolute. */
    public String root() {
        return root;
    }

    /** The session that reads and writes. */
    public SparkSession spark() {
        return spark;
    }

    /** Where a table lies. */
    public String path(Table table) {
        return new Path(root, table.folder()).toString();
    }

    /**
     * Checks that the tables can be written, before much work is done for them; what can be told of a local directory only.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P035 if not
     */
    public void requireWritable() {
        WriteFailures.requireWritable(root);
    }

    /** Whether a table has been made. */
    public boolean exists(Table table) {
        return DeltaTable.isDeltaTable(spark, path(table));
    }

    /** All rows of a table; none if it has not been made. Columns that an older version did not write are null. */
    public Dataset<Row> read(Table table) {
        if (!exists(table)) {
            return spark.createDataFrame(List.of(), table.schema());
        }
        Dataset<Row> rows = spark.read().format("delta").load(path(table));
        for (StructField field : table.schema().fields()) {
            if (!List.of(rows.columns()).contains(field.name())) {
                rows = rows.withColumn(field.name(), lit(null).cast(field.dataType()));
            }
        }
        return rows;
    }

    /** Makes a table unless it is there. */
    public void create(Table table) {
        if (created.contains(table) || exists(table)) {
            created.add(table);
            return;
        }
        retrying(() -> DeltaTable.createIfNotExists(spark)
                .location(path(table))
                .comment(table.comment())
                .addColumns(table.schema())
                .partitionedBy(table.partitionedBy().toArray(String[]::new))
                .execute());
    }

    /**
     * Appends rows in one transaction. A second append of the same application and version, or of an earlier version, is
     * dropped.
     */
    public void append(Table table, Dataset<Row> rows, String appId, long version) {
        retrying(() -> {
            if (!createWith(table, rows, appId, version)) {
                append(table, rows, Map.of("txnAppId", appId, "txnVersion", String.valueOf(version)));
            }
        });
    }

    private void append(Table table, Dataset<Row> rows, Map<String, String> options) {
        writer(table, rows).options(options).mode("append").save(path(table));
    }

    /**
     * Makes a table and puts its first rows in, in one commit: creating it first costs another one, and a query over the
     * table's log to see whether that commit was already there. Gives false, having done nothing, where the table is.
     */
    private boolean createWith(Table table, Dataset<Row> rows, String appId, long version) {
        if (created.contains(table) || exists(table)) {
            created.add(table);
            return false;
        }
        CreateTableWriter<Row> writer = rows.select(columns(table, rows))
                .writeTo("delta.`" + path(table).replace("`", "``") + "`")
                .using("delta")
                .tableProperty("comment", table.comment())
                .option("txnAppId", appId)
                .option("txnVersion", String.valueOf(version));
        try {
            partitioned(writer, table).create();
        } catch (TableAlreadyExistsException e) {
            // somebody else was faster
            return false;
        }
        created.add(table);
        return true;
    }

    private static CreateTableWriter<Row> partitioned(CreateTableWriter<Row> writer, Table table) {
        return switch (table.partitionedBy().size()) {
            case 0 -> writer;
            case 1 -> writer.partitionedBy(col(table.partitionedBy().get(0)));
            default -> writer.partitionedBy(
                    col(table.partitionedBy().get(0)),
                    table.partitionedBy().stream().skip(1).map(functions::col).toArray(Column[]::new));
        };
    }

    /** Appends rows, again if it is called again. */
    public void append(Table table, Dataset<Row> rows) {
        append(table, rows, UUID.randomUUID().toString(), 0);
    }

    /** As {@link #append(Table, Dataset, String, long)}, and in the same transaction deletes what matches a condition on partition columns. */
    public void replace(Table table, Dataset<Row> rows, String condition, String appId, long version) {
        create(table);
        retrying(() -> writer(table, rows)
                .mode("overwrite")
                .option("replaceWhere", condition)
                .option("txnAppId", appId)
                .option("txnVersion", version)
                .save(path(table)));
    }

    /** Replaces the rows of a partition by one row. */
    public void put(Table table, Row row, String condition) {
        create(table);
        Dataset<Row> rows = spark.createDataFrame(List.of(row), table.schema()).coalesce(1);
        retrying(() -> writer(table, rows)
                .mode("overwrite")
                .option("replaceWhere", condition)
                .save(path(table)));
    }

    private static DataFrameWriter<Row> writer(Table table, Dataset<Row> rows) {
        return rows.select(columns(table, rows)).write().format("delta").option("mergeSchema", true);
    }

    private static Column[] columns(Table table, Dataset<Row> rows) {
        return table.columns().stream()
                .map(column -> rows.col(column.name())
                        .cast(column.type())
                        .as(column.name(), column.field().metadata()))
                .toArray(Column[]::new);
    }

    /**
     * Other runs write to the same tables: a commit that lost a race is made again on what is there now. So is one that the
     * store did not take, or took without saying so: each commit here is one that Delta drops when it is there already.
     */
    private void retrying(Runnable commit) {
        for (int attempt = 1; ; attempt++) {
            try {
                WriteFailures.translating(root, commit);
                return;
            } catch (io.delta.exceptions.DeltaConcurrentModificationException e) {
                if (attempt == ATTEMPTS) {
                    throw PipelineErrors.tableContended(root, e);
                }
            } catch (UncheckedIOException e) {
                if (attempt == ATTEMPTS_AT_THE_STORE) {
                    String message = e.getCause().getMessage() + " (tried " + attempt + " times)";
                    throw PipelineErrors.outputUnusable(root, new IOException(message, e.getCause()));
                }
            }
            pause(attempt);
        }
    }

    private static void pause(int attempt) {
        try {
            Thread.sleep(50L * attempt * attempt);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw PipelineErrors.interrupted(e);
        }
    }
}
