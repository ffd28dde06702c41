// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.train.TargetModules;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writes the reference of all keys from {@link ConfigKeys}: for the documentation and for the command line's help. */
public final class ConfigReference {

    private static final String HEAD =
            """
            # Keys of a job file

            A job is a flat YAML file; names and meanings are those of transformers, PEFT, TRL and bitsandbytes. Each key can
            also be given as `--set key=value`, which wins over the file. An unknown key is an error, and so is a key of those
            libraries that has no counterpart here. A relative path starts at the working directory of the command, as with
            spark-submit; a Hadoop path without a scheme, at the default filesystem.

            `run_id`, where none is set, is derived from the keys in force (all but those marked *), the base and the data: the
            same command goes on with the same run, another value starts another one.

            This file is made from `ConfigKeys`; a test compares the two.
            """;

    private ConfigReference() {}

    /** The whole of docs/CONFIG.md. */
    static String markdown() {
        StringBuilder text = new StringBuilder(HEAD);
        bySection().forEach((section, keys) -> {
            text.append("\n## ").append(section).append("\n\n| key | default | allowed | |\n|---|---|---|---|\n");
            keys.forEach(key -> text.append(row(key)));
        });
        return text.toString();
    }

    /** One line a key, for the help of commands that take a job file. */
    public static String help() {
        StringBuilder text = new StringBuilder("%nKeys of the job file (docs/CONFIG.md says more):%n");
        bySection().forEach((section, keys) -> {
            text.append("  ").append(section).append("%n");
            keys.forEach(key -> text.append(String.format("    %-28s %s", key.name(), defaultText(key)))
                    .append("%n"));
        });
        return text.toString();
    }

    private static String row(ConfigKey<?> key) {
        String name = "`" + key.name() + "`" + (key.identity() ? "" : "*");
        String also = key.aliases().isEmpty() ? "" : " Also: `" + String.join("`, `", key.aliases()) + "`.";
        return "| " + name + " | " + defaultText(key) + " | " + key.type().allowed() + " | " + key.doc() + also
                + " |\n";
    }

    private static Map<String, List<ConfigKey<?>>> bySection() {
        Map<String, List<ConfigKey<?>>> sections = new LinkedHashMap<>();
        for (ConfigKey<?> key : ConfigKeys.all()) {
            sections.computeIfAbsent(key.section(), section -> new ArrayList<>())
                    .add(key);
        }
        return sections;
    }

    /** A key's default as the reference writes it. */
    private static String defaultText(ConfigKey<?> key) {
        Object value = key.defaultValue();
        if (value == null) {
            return key.required() ? "required" : "none";
        }
        return value instanceof TargetModules targets ? String.valueOf(targets.toConfigValue()) : value.toString();
    }
}
