// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.kryo;

import com.esotericsoftware.kryo.Kryo;
import com.esotericsoftware.kryo.KryoException;
import com.esotericsoftware.kryo.Serializer;
import com.esotericsoftware.kryo.io.Input;
import com.esotericsoftware.kryo.io.Output;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;

/**
 * Writes a record's components in their order and reads them into its constructor, with whatever that checks. Kryo 4's own
 * serializer of fields can't: no reflection sets a record's fields.
 *
 * @param <R> the record
 */
final class RecordSerializer<R extends Record> extends Serializer<R> {

    private final Class<?>[] types;
    private final Method[] accessors;
    private final Constructor<R> constructor;

    RecordSerializer(Class<R> type) {
        super(true, true);
        RecordComponent[] components = type.getRecordComponents();
        this.types = Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
        this.accessors = Arrays.stream(components)
                .map(RecordComponent::getAccessor)
                .peek(accessor -> accessor.setAccessible(true))
                .toArray(Method[]::new);
        try {
            this.constructor = type.getDeclaredConstructor(types);
            constructor.setAccessible(true);
        } catch (NoSuchMethodException e) {
            throw new IllegalStateException(type + " has no canonical constructor", e);
        }
    }

    @Override
    public void write(Kryo kryo, Output output, R value) {
        try {
            for (Method accessor : accessors) {
                // a primitive goes as its box, which has a number of its own and needs no name
                kryo.writeClassAndObject(output, accessor.invoke(value));
            }
        } catch (ReflectiveOperationException e) {
            throw new KryoException(value.getClass().getName() + " can't be written", e);
        }
    }

    @Override
    public R read(Kryo kryo, Input input, Class<R> type) {
        Object[] values = new Object[types.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = kryo.readClassAndObject(input);
        }
        try {
            return constructor.newInstance(values);
        } catch (InvocationTargetException e) {
            throw new KryoException(type.getName() + " refuses what was read", e.getCause());
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            throw new KryoException(type.getName() + " can't be read", e);
        }
    }
}
