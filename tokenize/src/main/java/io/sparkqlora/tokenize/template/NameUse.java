// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What the parser learns on its way: the names that macros use, filters and tests that don't exist. */
final class NameUse {

    private final Deque<Set<String>> macros = new ArrayDeque<>();
    private final List<TemplateException> unknown = new ArrayList<>();
    private TemplateException fatal;

    void load(String name) {
        macros.forEach(names -> names.add(name));
    }

    void enterMacro() {
        macros.push(new HashSet<>());
    }

    /** The names that the macro's body used. */
    Set<String> leaveMacro() {
        return macros.pop();
    }

    void unknown(String kind, String name, int line) {
        unknown.add(new TemplateException("No " + kind + " named " + Repr.repr(name) + ".", line));
    }

    int mark() {
        return unknown.size();
    }

    /** Inside conditions an unknown filter or test is no error until it is reached. */
    void forgiveUnknown(int mark) {
        unknown.subList(mark, unknown.size()).clear();
    }

    /** At the end of a loop, macro or block: conditions around it don't forgive what it contains. */
    void leaveScope(int mark) {
        if (fatal == null && unknown.size() > mark) {
            fatal = unknown.get(mark);
        }
    }

    void fail() {
        leaveScope(0);
        if (fatal != null) {
            throw fatal;
        }
    }
}
