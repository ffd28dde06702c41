// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Compares a page of the documentation with what the code says; {@code -Dqlora.docs.write=true} writes it instead. */
public final class GeneratedDocs {

    private GeneratedDocs() {}

    public static void check(String name, String expected) throws IOException {
        Path file = Path.of("../docs", name);
        if (Boolean.getBoolean("qlora.docs.write")) {
            Files.createDirectories(file.getParent());
            Files.writeString(file, expected);
        }
        assertThat(Files.readString(file))
                .as("docs/" + name + "; write it with -Dqlora.docs.write=true")
                .isEqualTo(expected);
    }
}
