// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;

/** Reading JSON into maps, lists and values, in the order of the text. */
final class Json {

    private static final ObjectMapper MAPPER = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    static {
        // a training row may be longer than what Jackson takes from strangers by default
        MAPPER.getFactory()
                .setStreamReadConstraints(StreamReadConstraints.builder()
                        .maxStringLength(Integer.MAX_VALUE)
                        .build());
    }

    private static final ObjectReader UNTYPED = MAPPER.readerFor(Object.class);

    private Json() {}

    /** The value of a text: map, list, string, number, boolean or null. */
    static Object read(String text) throws JsonProcessingException {
        return UNTYPED.readValue(text);
    }

    /** A value as one line. */
    static String write(Object value) throws JsonProcessingException {
        return MAPPER.writeValueAsString(value);
    }

    /** A parser over a text. */
    static JsonParser parser(String text) throws IOException {
        return MAPPER.getFactory().createParser(text);
    }

    /** One line about what is wrong, without Jackson's quotation of the source. */
    static String problem(JsonProcessingException e) {
        String where = e.getLocation() == null
                ? ""
                : " at character " + (e.getLocation().getCharOffset() + 1);
        return e.getOriginalMessage().lines().findFirst().orElse("not JSON") + where;
    }
}
