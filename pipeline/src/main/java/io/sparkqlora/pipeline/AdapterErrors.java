// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.nio.file.Path;

/** What goes wrong with adapters that come from outside. Codes P160–P164, P205, P215–P219. */
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

    /**
     * The job's modules are others than those of the adapter that is gone on from.
     *
     * @param keys that say which, in words that fit "the job's … mean"
     */
    public static QLoraException otherModules(String keys, String module, boolean ofJob, Path folder) {
        return error(
                161,
                Kind.CONFIG,
                "the job's " + keys + " " + (ofJob ? "mean " : "leave out ") + module
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

    /** An adapter is named that lies on no folder of this machine. */
    public static QLoraException elsewhere(String key, String name) {
        return error(
                215,
                Kind.CONFIG,
                key + " is " + name
                        + ", and adapters are read from folders of this machine alone; copy it, and name the folder");
    }

    /** An adapter is named twice. */
    public static QLoraException folderOrRun(String folder, String option, Object value) {
        return error(
                216,
                Kind.CONFIG,
                "--adapter names the adapter in " + folder + ", and " + option + " " + value
                        + " one of a run; leave one of them out");
    }

    /** An adapter in a folder is to be exported as it is. */
    public static QLoraException exportedAlready(String folder) {
        return error(
                217,
                Kind.CONFIG,
                "--adapter: " + folder
                        + " is an adapter as PEFT saves it already; copy the folder, or give --merge for the whole "
                        + "model");
    }

    /** Neither the job nor the adapter says what the base is. */
    public static QLoraException noBase(Path folder) {
        return error(
                218,
                Kind.CONFIG,
                "key 'model_name_or_path' is missing, and the adapter in " + folder
                        + " names no base (base_model_name_or_path); set it in the job file or with --set model_name_or_path=…");
    }

    /** Options of LoftQ without it. */
    public static QLoraException loftqConfigAlone(Object options, Object init) {
        return error(
                205,
                Kind.CONFIG,
                "loftq_config is " + options + ", and init_lora_weights is " + init
                        + ", which it says nothing about; remove it, or set init_lora_weights: loftq");
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
