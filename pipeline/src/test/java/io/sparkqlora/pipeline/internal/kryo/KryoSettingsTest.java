// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.kryo;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.QLoraPlugin;
import io.sparkqlora.pipeline.internal.tables.DeltaSettings;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;

class KryoSettingsTest {

    private static final String OURS = "io.sparkqlora.pipeline.internal.kryo.QLoraKryoRegistrator";

    @Test
    void aSessionThatSaysNothingRefusesUnregisteredClasses() {
        assertThat(KryoSettings.shipped())
                .containsEntry("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
                .containsEntry("spark.kryo.registrator", OURS)
                .containsEntry("spark.kryo.registrationRequired", "true")
                .containsEntry("spark.kryo.unsafe", "false");
    }

    @Test
    void theBundlesDefaultsAreTheseAndDeltas() throws IOException {
        Properties defaults = new Properties();
        try (Reader file = Files.newBufferedReader(Path.of("src/assembly/spark-defaults.conf"))) {
            defaults.load(file);
        }
        assertThat(defaults)
                .containsAllEntriesOf(KryoSettings.shipped())
                .containsAllEntriesOf(DeltaSettings.REQUIRED)
                .containsEntry("spark.plugins", QLoraPlugin.class.getName());
    }

    @Test
    void anotherSerializerStays() {
        SparkConf java = new SparkConf(false).set("spark.serializer", "org.apache.spark.serializer.JavaSerializer");
        assertThat(KryoSettings.forSession(java)).isEmpty();
    }

    @Test
    void oursStandsBesideAnotherRegistrator() {
        SparkConf rapids =
                new SparkConf(false).set("spark.kryo.registrator", "com.nvidia.spark.rapids.GpuKryoRegistrator");
        assertThat(KryoSettings.forSession(rapids))
                .containsEntry("spark.kryo.registrator", "com.nvidia.spark.rapids.GpuKryoRegistrator," + OURS)
                .doesNotContainKey("spark.kryo.registrationRequired");
    }

    @Test
    void whatIsThereAlreadyIsNotAddedAgain() {
        SparkConf shipped = new SparkConf(false);
        KryoSettings.shipped().forEach(shipped::set);
        assertThat(KryoSettings.forSession(shipped)).doesNotContainKey("spark.kryo.registrator");
    }
}
