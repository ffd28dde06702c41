// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.kryo;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.tokenize.KryoClasses;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.Bias;
import io.sparkqlora.train.InitLoraWeights;
import io.sparkqlora.train.LayerChoice;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModulePattern;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.PreferenceMetrics;
import io.sparkqlora.train.StepMetrics;
import io.sparkqlora.train.TargetModules;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.stream.Stream;

/**
 * What crosses the wire. Spark and chill register their own most common classes; these are the rest: of Spark and Delta by
 * name, since many are private, and ours. A class's number is its place here, so new ones go to the end.
 */
final class RegisteredClasses {

    /** Rows that a task gives to the driver or to another RDD. */
    private static final List<String> SPARK = List.of(
            "org.apache.spark.sql.catalyst.expressions.GenericRow",
            "org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema",
            "[Lorg.apache.spark.sql.Row;",
            "[Lorg.apache.spark.util.io.ChunkedByteBuffer;");

    private static final List<String> DELTA = List.of(
            "org.apache.spark.sql.delta.actions.AddFile", "org.apache.spark.sql.delta.stats.DeltaFileStatistics");

    /** What a task gives that writes a checkpoint of a table's log, as Delta does every tenth commit. */
    private static final List<String> CHECKPOINTS = List.of(
            "org.apache.spark.sql.delta.SerializableFileStatus",
            "[Lorg.apache.spark.sql.delta.SerializableFileStatus;");

    /** What programs that use the library put into their own RDDs and broadcasts. */
    static final List<Class<? extends Record>> RECORDS = List.of(
            NamedTensor.class,
            TargetModules.class,
            LoraConfig.class,
            Adapter.class,
            PackedRow.class,
            StepMetrics.class,
            LayerChoice.class,
            ModulePattern.class,
            ModulePattern.Entry.class,
            PreferenceMetrics.class,
            InitLoraWeights.class);

    /** What those records hold. */
    static final List<Class<? extends Enum<?>>> ENUMS =
            List.of(DType.class, TargetModules.Kind.class, InitLoraWeights.Kind.class, Bias.class);

    private RegisteredClasses() {}

    /** The classes that {@code ByteBuffer} gives. */
    static List<Class<? extends ByteBuffer>> buffers() {
        return List.of(
                ByteBuffer.allocate(0).getClass(), ByteBuffer.allocateDirect(0).getClass());
    }

    static List<String> names() {
        return Stream.of(SPARK, DELTA, KryoClasses.names(), CHECKPOINTS)
                .flatMap(List::stream)
                .distinct()
                .toList();
    }
}
