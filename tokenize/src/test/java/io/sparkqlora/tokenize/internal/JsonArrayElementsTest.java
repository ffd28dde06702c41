// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class JsonArrayElementsTest {

    @Test
    void givesTheTextOfEachElement() throws IOException {
        assertThat(elements("\uFEFF [ {\"a\": [1, {\"b\": \"]\"}]},\n{ \"ü\" : 1.50 } , \"s\", 12 ]\n"))
                .containsExactly("{\"a\": [1, {\"b\": \"]\"}]}", "{ \"ü\" : 1.50 }", "\"s\"", "12");
        assertThat(elements("[]")).isEmpty();
        assertThat(elements("  ")).isEmpty();
    }

    @Test
    void marksWhereTheTextStopsBeingJson() throws IOException {
        assertThat(elements("[{\"a\": 1}, {\"b\": ]")).containsExactly("{\"a\": 1}", "… , {\"b\": ]");
        assertThat(elements("[{\"a\": 1}")).containsExactly("{\"a\": 1}", "… ");
        assertThat(elements("[{\"a\": 1} {\"b\": 2}]")).containsExactly("{\"a\": 1}", "…  {\"b\": 2}]");
        assertThat(elements("{\"a\": 1}")).containsExactly("… {\"a\": 1}");
    }

    private static List<String> elements(String text) throws IOException {
        List<String> elements = new ArrayList<>();
        new JsonArrayElements(text).forEachRemaining(elements::add);
        return elements;
    }
}
