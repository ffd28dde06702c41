// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.kryo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
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
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.spark.SparkConf;
import org.apache.spark.serializer.KryoSerializer;
import org.apache.spark.serializer.SerializerInstance;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/** Everything that is registered comes back as it went, through Spark's own serializer with the shipped settings. */
class RoundTripTest {

    private static final NamedTensor TENSOR =
            new NamedTensor("q.lora_A", DType.F32, new long[] {2, 1}, new byte[] {1, 2, 3, 4, 5, 6, 7, 8});

    private final SerializerInstance kryo = serializer();

    private static SerializerInstance serializer() {
        SparkConf conf = new SparkConf(false);
        KryoSettings.shipped().forEach(conf::set);
        return new KryoSerializer(conf).newInstance();
    }

    private record NotRegistered(int value) {}

    @SuppressWarnings("unchecked")
    private <T> T through(T value) {
        ClassTag<Object> tag = ClassTag$.MODULE$.apply(Object.class);
        return (T) kryo.deserialize(kryo.serialize(value, tag), tag);
    }

    static List<Object> values() {
        return List.of(
                TargetModules.of("all-linear"),
                TargetModules.names(List.of("q_proj", "v_proj")),
                LoraConfig.builder().r(4).build(),
                new LayerChoice(TargetModules.names("k_proj"), List.of(0, 2), List.of("layers")),
                LoraConfig.builder()
                        .layers(new LayerChoice(null, List.of(1), List.of()))
                        .initLoraWeights(InitLoraWeights.GAUSSIAN)
                        .useDora(true)
                        .bias(Bias.ALL)
                        .modulesToSave(List.of("embed_tokens", "lm_head"))
                        .build(),
                new StepMetrics(3, 1.5, 1e-4, Double.NaN, 77, 33, 0.25),
                ModulePattern.of(Map.of("v_proj", 16)),
                new ModulePattern.Entry("q_proj", 2.5),
                new StepMetrics(3, 1.5, 1e-4, 2, 77, 33, 0.25, new PreferenceMetrics(1, 2, 3, 4, 5, 6), 1024.0),
                new PreferenceMetrics(-1, 2, 0.5, 4, Double.NaN, 6),
                InitLoraWeights.named("loftq", 3),
                List.of(),
                List.of("one"),
                List.of("one", "two", List.of(3)),
                Arrays.asList(1L, null).stream().toList());
    }

    @ParameterizedTest
    @MethodSource("values")
    void comesBackEqual(Object value) {
        assertThat((Object) through(value)).isEqualTo(value);
    }

    @Test
    void everyRegisteredRecordIsTriedHere() {
        PackedRow row = new PackedRow(5, new int[] {1, 2, 3}, new int[] {-100, 2, 3}, new int[] {1, 2});
        Adapter adapter = new Adapter(LoraConfig.builder().r(2).build(), "base", List.of(TENSOR, TENSOR));
        List<Object> tried = new ArrayList<>(values());
        tried.addAll(List.of(row, adapter, TENSOR));
        assertThat(tried.stream().map(Object::getClass)).containsAll(List.copyOf(RegisteredClasses.RECORDS));
        assertThat(through(row)).usingRecursiveComparison().isEqualTo(row);
        assertThat(through(adapter)).usingRecursiveComparison().isEqualTo(adapter);
        assertThat(through(new Adapter(adapter.config(), null, List.of())).baseModelNameOrPath())
                .isNull();
    }

    /** A session that has Java's serializer, as a notebook's may. */
    @Test
    void anAdapterGoesThroughJavasSerializerToo() throws IOException, ClassNotFoundException {
        LoraConfig config = LoraConfig.builder()
                .r(2)
                .rankPattern(ModulePattern.of(Map.of("v_proj", 4.0)))
                .build();
        Adapter adapter = new Adapter(config, "base", List.of(TENSOR, TENSOR));
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(adapter);
        }
        try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
            assertThat(in.readObject()).isEqualTo(adapter);
        }
    }

    @Test
    void anImmutableListStaysOne() {
        assertThatThrownBy(() -> through(List.of(1)).add(2)).isInstanceOf(UnsupportedOperationException.class);
    }

    @Test
    void theSameTensorTwiceIsWrittenOnce() {
        List<NamedTensor> read = through(List.of(TENSOR, TENSOR));
        assertThat(read.get(0)).isEqualTo(TENSOR).isSameAs(read.get(1));
    }

    @Test
    void whatRemainsOfABufferArrives() {
        byte[] bytes = new byte[200_000];
        new Random(1).nextBytes(bytes);
        for (ByteBuffer buffer : List.of(ByteBuffer.wrap(bytes), ByteBuffer.allocateDirect(bytes.length))) {
            buffer.put(0, bytes).order(ByteOrder.LITTLE_ENDIAN).position(11).limit(bytes.length - 3);
            ByteBuffer read = through(buffer);
            assertThat(read).isEqualTo(buffer);
            assertThat(read.order()).isEqualTo(ByteOrder.LITTLE_ENDIAN);
            assertThat(buffer.position()).as("the writer's").isEqualTo(11);
        }
        assertThat(through(ByteBuffer.allocate(0)).remaining()).isZero();
    }

    @Test
    void aRecordThatChecksItsValuesChecksWhatIsRead() {
        byte[] written =
                kryo.serialize(TENSOR, ClassTag$.MODULE$.apply(Object.class)).array();
        int at = new String(written, java.nio.charset.StandardCharsets.ISO_8859_1).indexOf("\1\2\3\4") - 1;
        // the data's length and one byte less of it
        assertThat(written[at]).isEqualTo((byte) 9);
        written[at] = 8;
        assertThatThrownBy(() -> kryo.deserialize(ByteBuffer.wrap(written), ClassTag$.MODULE$.apply(Object.class)))
                .hasStackTraceContaining("NamedTensor refuses what was read")
                .hasStackTraceContaining("q.lora_A");
    }

    @Test
    void anUnregisteredClassIsRefusedByName() {
        assertThatThrownBy(() -> through(new NotRegistered(1)))
                .hasStackTraceContaining("Class is not registered: " + NotRegistered.class.getName());
    }

    @ParameterizedTest
    @MethodSource("names")
    void everyNameIsAClassOfTheseVersions(String name) throws ClassNotFoundException {
        assertThat(Class.forName(name)).isNotNull();
    }

    static List<String> names() {
        return RegisteredClasses.names();
    }
}
