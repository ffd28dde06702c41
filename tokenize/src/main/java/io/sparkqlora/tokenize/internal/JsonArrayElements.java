// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * The texts of the elements of an array of JSON, one after the other. Where the text stops being JSON, what is left follows
 * as one last element with a mark before it, which no parser takes for a row: it ends among the rejected ones.
 */
final class JsonArrayElements implements Iterator<String> {

    private static final int SHOWN = 2000;

    private final String text;
    private final JsonParser parser;
    private int end;
    private boolean broken;
    private String next;

    JsonArrayElements(String text) throws IOException {
        this.text = text.startsWith("\uFEFF") ? text.substring(1) : text;
        this.parser = Json.parser(this.text);
        try {
            if (parser.nextToken() == JsonToken.START_ARRAY) {
                end = offset();
                next = element();
            } else {
                next = this.text.isBlank() ? null : broken();
            }
        } catch (IOException e) {
            next = broken();
        }
    }

    private String element() {
        try {
            JsonToken token = parser.nextToken();
            if (token == JsonToken.END_ARRAY) {
                return null;
            }
            if (token == null) {
                return broken();
            }
            int start = (int) parser.currentTokenLocation().getCharOffset();
            parser.skipChildren();
            parser.finishToken();
            end = offset();
            return text.substring(start, end);
        } catch (IOException e) {
            return broken();
        }
    }

    private int offset() {
        return (int) parser.currentLocation().getCharOffset();
    }

    /** The rest of the text, made sure not to be JSON. */
    private String broken() {
        String rest = "… " + text.substring(end, Math.min(text.length(), end + SHOWN));
        broken = true;
        return rest;
    }

    @Override
    public boolean hasNext() {
        return next != null;
    }

    @Override
    public String next() {
        if (next == null) {
            throw new NoSuchElementException();
        }
        String element = next;
        next = broken ? null : element();
        return element;
    }
}
