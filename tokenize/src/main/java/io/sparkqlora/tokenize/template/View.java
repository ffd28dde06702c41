// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.List;

/** What a dict's items(), keys() and values() give: it has a length and can be run through, but not indexed. */
record View(String typeName, List<Object> items) {}
