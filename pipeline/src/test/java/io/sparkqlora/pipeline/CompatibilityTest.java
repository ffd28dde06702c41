// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.internal.config.UnsupportedKeys;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** docs/COMPATIBILITY.md says what is so: its tests exist, and its keys are known, or refused where it says so. */
class CompatibilityTest {

    private static final Path PAGE = Path.of("../docs/COMPATIBILITY.md");
    private static final Pattern LINK = Pattern.compile("\\]\\(([^)]+)\\)");
    private static final Pattern KEY = Pattern.compile("`([a-z0-9]+(?:_[a-z0-9]+)+)(?::[^`]*)?`");
    private static List<String> rows;

    @BeforeAll
    static void read() throws IOException {
        rows = Files.readAllLines(PAGE).stream()
                .filter(line -> line.startsWith("| "))
                .filter(line -> !line.startsWith("| | here"))
                .toList();
    }

    @Test
    void everyRowNamesItsTestOrSaysThatItIsNotThere() {
        for (String row : rows) {
            List<String> links =
                    LINK.matcher(row).results().map(link -> link.group(1)).toList();
            assertThat(links)
                    .allSatisfy(link -> assertThat(PAGE.resolveSibling(link)).exists());
            if (links.isEmpty()) {
                assertThat(row).contains("| not there");
            }
        }
    }

    @Test
    void keysAreKnownOrRefusedAsTheRowSays() {
        Set<String> known = ConfigKeys.all().stream()
                .flatMap(key -> Stream.concat(Stream.of(key.name()), key.aliases().stream()))
                .collect(Collectors.toCollection(TreeSet::new));
        known.add("gradient_checkpointing");
        for (String row : rows) {
            List<String> keys = KEY.matcher(row.split("\\|")[1])
                    .results()
                    .map(key -> key.group(1))
                    .toList();
            if (row.contains("| refused by name")) {
                assertThat(keys)
                        .as(row)
                        .allMatch(key -> UnsupportedKeys.reason(key).isPresent() || known.contains(key));
            } else {
                assertThat(known).as(row).containsAll(keys);
            }
        }
    }
}
