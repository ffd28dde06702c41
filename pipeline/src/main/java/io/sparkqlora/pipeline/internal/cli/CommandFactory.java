// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import java.lang.reflect.Constructor;
import java.util.Arrays;
import picocli.CommandLine;

/** Makes commands with the console that they print to. */
final class CommandFactory implements CommandLine.IFactory {

    private final Console console;

    CommandFactory(Console console) {
        this.console = console;
    }

    @Override
    public <K> K create(Class<K> type) throws Exception {
        for (Constructor<?> constructor : type.getDeclaredConstructors()) {
            if (Arrays.equals(constructor.getParameterTypes(), new Class<?>[] {Console.class})) {
                return type.cast(constructor.newInstance(console));
            }
        }
        return CommandLine.defaultFactory().create(type);
    }
}
