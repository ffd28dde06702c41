// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.answers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;

class RougeTest {

    /** F-measures that the functions of rouge-score 0.1.2 (use_stemmer=False) gave for these pairs. */
    @Test
    void agreesWithRougeScore() throws IOException {
        JsonNode reference = new ObjectMapper().readTree(new File("src/test/resources/rouge-reference.json"));
        assertThat(reference).hasSizeGreaterThan(30);
        for (JsonNode each : reference) {
            Rouge rouge =
                    Rouge.of(each.get("expected").asText(), each.get("answer").asText());
            JsonNode expected = each.get("rouge");
            assertThat(rouge.rouge1()).as("%s", each).isCloseTo(expected.get(0).asDouble(), within(1e-12));
            assertThat(rouge.rouge2()).as("%s", each).isCloseTo(expected.get(1).asDouble(), within(1e-12));
            assertThat(rouge.rougeL()).as("%s", each).isCloseTo(expected.get(2).asDouble(), within(1e-12));
        }
    }

    @Test
    void anAnswerIsExactButForBlanksAroundIt() {
        Row row = new ScoreAnswers().call("Four.\n", " Four.");
        assertThat(row.getBoolean(0)).isTrue();
        assertThat(row.getDouble(1)).isOne();
        assertThat(new ScoreAnswers().call("Four.", "four.").getBoolean(0)).isFalse();
        assertThat(new ScoreAnswers().call("Four.", null)).isNull();
    }
}
