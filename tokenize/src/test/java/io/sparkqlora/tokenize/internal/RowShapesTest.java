// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.tokenize.Formatting;
import io.sparkqlora.tokenize.LocalSpark;
import io.sparkqlora.tokenize.SourceRows;
import io.sparkqlora.tokenize.TokenizeOptions;
import io.sparkqlora.tokenize.internal.RowShape.Kind;
import java.util.List;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;

/** Which columns hold the example. */
class RowShapesTest {

    private static SourceRows source(String ddl) {
        return SourceRows.of(LocalSpark.session().createDataFrame(List.of(), StructType.fromDDL(ddl)), "memory");
    }

    private static TokenizeOptions.Builder options() {
        return TokenizeOptions.builder();
    }

    private static RowShape shape(String ddl, Formatting formatting) {
        return RowShapes.of(source(ddl), options().formatting(formatting).build());
    }

    @Test
    void columnsTellTheShape() {
        String turns = "conversations ARRAY<STRUCT<from: STRING, value: STRING>>";
        assertThat(shape(turns + ", tools STRING", Formatting.AUTO))
                .isEqualTo(new RowShape(Kind.SHAREGPT, "conversations", "tools"));
        assertThat(shape("instruction STRING, input STRING, output STRING", Formatting.AUTO))
                .isEqualTo(new RowShape(Kind.ALPACA, "instruction", "output", "input"));
        assertThat(shape("instruction STRING, output STRING", Formatting.AUTO))
                .isEqualTo(new RowShape(Kind.ALPACA, "instruction", "output", null));
        // what there was before comes first: such rows stay what they were
        assertThat(shape("instruction STRING, output STRING, text STRING", Formatting.AUTO)
                        .kind())
                .isEqualTo(Kind.TEXT);
        assertThat(shape(turns + ", messages STRING", Formatting.AUTO).kind()).isEqualTo(Kind.MESSAGES);
    }

    @Test
    void aShapeCanBeNamed() {
        String all = "instruction STRING, output STRING, text STRING, conversations STRING, messages STRING";
        assertThat(shape(all, Formatting.ALPACA).kind()).isEqualTo(Kind.ALPACA);
        assertThat(shape(all, Formatting.ALPACA_CHAT).kind()).isEqualTo(Kind.ALPACA_CHAT);
        assertThat(shape(all, Formatting.SHAREGPT).first()).isEqualTo("conversations");
        assertThat(RowShapes.of(
                        source("turns STRING"),
                        options()
                                .formatting(Formatting.SHAREGPT)
                                .messagesColumn("turns")
                                .build()))
                .isEqualTo(new RowShape(Kind.SHAREGPT, "turns", null));
        assertThat(RowShapes.of(
                        source("q STRING, a STRING"),
                        options()
                                .formatting(Formatting.ALPACA)
                                .promptColumn("q")
                                .completionColumn("a")
                                .build()))
                .isEqualTo(new RowShape(Kind.ALPACA, "q", "a", null));
    }

    @Test
    void pairsOfMessagesTakeTools() {
        String messages = "ARRAY<STRUCT<role: STRING, content: STRING>>";
        assertThat(shape("prompt " + messages + ", completion " + messages + ", tools STRING", Formatting.AUTO))
                .isEqualTo(new RowShape(Kind.PROMPT_COMPLETION, "prompt", "completion", "tools"));
        assertThat(shape("prompt STRING, completion STRING, tools STRING", Formatting.AUTO))
                .isEqualTo(new RowShape(Kind.PROMPT_COMPLETION, "prompt", "completion"));
    }

    @Test
    void promptsNeedNoAnswer() {
        TokenizeOptions any = options().build();
        assertThat(RowShapes.ofPrompts(source("prompt STRING"), any))
                .isEqualTo(new RowShape(Kind.TEXT, "prompt", null));
        assertThat(RowShapes.ofPrompts(source("prompt ARRAY<STRUCT<role: STRING, content: STRING>>"), any))
                .isEqualTo(new RowShape(Kind.MESSAGES, "prompt", null));
        assertThat(RowShapes.ofPrompts(source("instruction STRING, input STRING"), any))
                .isEqualTo(new RowShape(Kind.ALPACA, "instruction", null, "input"));
    }

    @Test
    void whatDoesNotFitIsRefused() {
        assertThatThrownBy(() -> shape("text STRING", Formatting.ALPACA))
                .hasMessageStartingWith(
                        "QLORA-D052: prompt_column names 'instruction', which the dataset doesn't have");
        assertThatThrownBy(() -> shape("instruction STRING, output INT", Formatting.AUTO))
                .hasMessageStartingWith("QLORA-D060: the column output is of type int, wanted is a string");
        assertThatThrownBy(() -> shape("prompt INT, completion STRING", Formatting.AUTO))
                .hasMessageContaining("wanted is a string, or an array of structs");
        assertThatThrownBy(() -> shape("id INT", Formatting.AUTO))
                .hasMessageContaining("or conversations, or instruction and output");
        assertThatThrownBy(() ->
                        options().formatting(Formatting.ALPACA).textColumn("t").build())
                .hasMessage("QLORA-D058: formatting is alpaca: a column is named that rows of this kind don't have; "
                        + "drop one of the two");
    }
}
