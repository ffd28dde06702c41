// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.kryo;

import com.esotericsoftware.kryo.Kryo;
import java.util.List;
import org.apache.spark.serializer.KryoRegistrator;

/**
 * Registers everything of a job that crosses the wire ({@code spark.kryo.registrator}). Numbers are fixed: driver and
 * executors must agree even where one of them lacks a class that another version of Delta has.
 */
public final class QLoraKryoRegistrator implements KryoRegistrator {

    /** Beyond the numbers that Kryo, chill and Spark hand out one by one. */
    private static final int FIRST_RECORD = 20_000;

    private static final int FIRST_ENUM = 20_500;
    private static final int FIRST_LIST = 21_000;
    private static final int FIRST_BUFFER = 22_000;
    private static final int FIRST_NAME = 23_000;

    @Override
    public void registerClasses(Kryo kryo) {
        int number = FIRST_RECORD;
        for (Class<? extends Record> type : RegisteredClasses.RECORDS) {
            kryo.register(type, new RecordSerializer<>(type), number++);
        }
        number = FIRST_ENUM;
        for (Class<?> type : RegisteredClasses.ENUMS) {
            kryo.register(type, number++);
        }
        number = FIRST_LIST;
        for (Class<?> type : List.of(List.of().getClass(), List.of(0).getClass())) {
            kryo.register(type, new ImmutableListSerializer(), number++);
        }
        number = FIRST_BUFFER;
        for (Class<?> type : RegisteredClasses.buffers()) {
            kryo.register(type, new ByteBufferSerializer(), number++);
        }
        number = FIRST_NAME;
        for (String name : RegisteredClasses.names()) {
            register(kryo, name, number++);
        }
    }

    private static void register(Kryo kryo, String name, int number) {
        try {
            Class<?> type = Class.forName(name, false, Thread.currentThread().getContextClassLoader());
            if (kryo.getClassResolver().getRegistration(type) == null) {
                kryo.register(type, number);
            }
        } catch (ClassNotFoundException e) {
            // another version of Spark or Delta: what it does not have, it does not send
        }
    }
}
