// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** The filters by name. */
final class Filters {

    /** jinja2's filters for web pages, and one that isn't reproducible. */
    private static final Set<String> NOT_SUPPORTED = Set.of(
            "filesizeformat",
            "forceescape",
            "pprint",
            "random",
            "striptags",
            "urlencode",
            "urlize",
            "wordwrap",
            "xmlattr");

    private static final Map<String, Filter> FILTERS = new HashMap<>();

    static {
        FILTERS.putAll(TextFilters.FILTERS);
        FILTERS.putAll(NumberFilters.FILTERS);
        FILTERS.putAll(ListFilters.FILTERS);
        FILTERS.putAll(SelectFilters.FILTERS);
        FILTERS.putAll(OrderFilters.FILTERS);
        for (String name : NOT_SUPPORTED) {
            FILTERS.put(name, (input, arguments) -> {
                throw new TemplateException("the filter '" + name + "' isn't supported in chat templates here");
            });
        }
    }

    private Filters() {}

    /** The filter, or null. */
    static Filter find(String name) {
        return FILTERS.get(name);
    }
}
