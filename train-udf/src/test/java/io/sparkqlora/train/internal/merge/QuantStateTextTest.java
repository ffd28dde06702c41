// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class QuantStateTextTest {

    /** What Python's {@code repr} gives. */
    @ParameterizedTest
    @CsvSource({
        "0.0, 0.0",
        "-0.0, -0.0",
        "1, 1.0",
        "0.1034088134765625, 0.1034088134765625",
        "-0.30000000000000004, -0.30000000000000004",
        "1e-4, 0.0001",
        "1e-5, 1e-05",
        "-1.25e-7, -1.25e-07",
        "1234567890123456, 1234567890123456.0",
        "1e16, 1e+16",
        "12345678901234567890, 1.2345678901234567e+19",
        "2e-44, 2e-44",
        "5.684341886080801e-14, 5.684341886080801e-14",
        "4.9e-324, 5e-324",
        "1.7976931348623157e308, 1.7976931348623157e+308"
    })
    void numbersAreWrittenAsPythonWritesThem(double value, String text) {
        assertThat(QuantStateText.python(value)).isEqualTo(text);
        assertThat(Double.parseDouble(text)).isEqualTo(value);
    }
}
