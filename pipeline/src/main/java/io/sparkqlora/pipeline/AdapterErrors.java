// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.nio.file.Path;

/** What goes wrong with adapters that come from outside. Codes P160–P164. */
public final class AdapterErrors {

    private AdapterErrors() {}

    private static QLoraException error(int code, Kind kind, String message) {
        return new QLoraException(String.format("QLORA-P%03d", code), kind, message, null);
    }

    /** A key says something else than the adapter that is gone on from. */
    public static QLoraException otherThanTheAdapters(String key, Object job, Object adapter, Path folder) {
        return error(
                160,
                Kind.CONFIG,
                "the job has " + key + " = " + job + ", the adapter in " + folder
                        + " (adapter_name_or_path) was made with " + adapter + "; remove " + key
                        + ", which is taken from the adapter, or start from a fresh one");
    }

    /** The job's modules are others than those of the adapter that is gone on from. */
    public static QLoraException otherModules(String module, boolean ofJob, Path folder) {
        return error(
                161,
                Kind.CONFIG,
                "the job's target_modules and their exceptions " + (ofJob ? "mean " : "leave out ") + module
                        + ", for which the adapter in " + folder + " (adapter_name_or_path) has "
                        + (ofJob ? "nothing" : "weights")
                        + "; remove these keys, which are taken from the adapter, or start from a fresh one");
    }

    /** An executor has another adapter than the driver. */
    public static QLoraException otherAdapter(Path folder, String expected, String found) {
        return error(
                162,
                Kind.INPUT,
                folder + " is not the adapter that the run started from (hash " + found + ", expected " + expected
                        + "); put the same files on every node");
    }

    /** What is to be combined is no adapter. */
    public static QLoraException noSuchAdapter(String name, String root) {
        return error(
                163,
                Kind.CONFIG,
                "--adapters: " + name + " is no folder with an adapter_config.json, and there is no such run in " + root
                        + "; name a folder, or run_id, run_id@step or run_id/group_key@step");
    }
}
