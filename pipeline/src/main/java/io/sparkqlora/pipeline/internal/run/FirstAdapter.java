// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.AdapterErrors;
import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.ConfigKey;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.AdapterFiles;
import io.sparkqlora.train.AdapterFit;
import io.sparkqlora.train.LayerChoice;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModelConfig;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/** The adapter that a job goes on from ({@code adapter_name_or_path}): its options are the job's, its weights the first. */
public final class FirstAdapter {

    private static final List<ConfigKey<?>> MODULES = List.of(
            AdapterKeys.TARGET_MODULES,
            AdapterKeys.EXCLUDE_MODULES,
            AdapterKeys.LAYERS_TO_TRANSFORM,
            AdapterKeys.LAYERS_PATTERN);

    private FirstAdapter() {}

    /** Where it lies, if there is one. */
    private static Optional<Path> folder(JobConfig config) {
        return Optional.ofNullable(config.get(AdapterKeys.ADAPTER_NAME_OR_PATH))
                .map(name -> folder(AdapterKeys.ADAPTER_NAME_OR_PATH.name(), name));
    }

    /**
     * The folder of this machine that a name means.
     *
     * @param key what was set to it
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P215 for a place elsewhere
     */
    public static Path folder(String key, String name) {
        return BaseFolder.local(name).orElseThrow(() -> AdapterErrors.elsewhere(key, name));
    }

    /**
     * The job with the adapter's options in place of what it leaves open; the job itself where it starts from a fresh one.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if the options can't be read or run, CONFIG if the job says others
     */
    public static JobConfig settle(JobConfig config, ModelConfig model) {
        return folder(config)
                .map(folder -> settle(config, model, folder, AdapterFiles.readConfig(folder)))
                .orElse(config);
    }

    /**
     * The job with the options of an adapter in a folder in place of what it leaves open.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if the job says others
     */
    public static JobConfig settle(JobConfig config, ModelConfig model, Path folder, LoraConfig lora) {
        JobConfigBuilder settled = config.toBuilder();
        taken(lora).forEach((key, value) -> {
            if (config.isSet(key) && !config.get(key).equals(value)) {
                throw AdapterErrors.otherThanTheAdapters(key.name(), config.get(key), value, folder);
            }
            settled.set(key.name(), value);
        });
        if (!config.isSet(AdapterKeys.LORA_DROPOUT)) {
            settled.set(AdapterKeys.LORA_DROPOUT, lora.loraDropout());
        }
        if (MODULES.stream().anyMatch(config::isSet)) {
            String keys = "target_modules and their exceptions";
            requireSame(keys, config, lora, folder, options -> AdapterFit.modules(options, model));
        }
        if (config.isSet(AdapterKeys.MODULES_TO_SAVE)) {
            String key = AdapterKeys.MODULES_TO_SAVE.name();
            requireSame(key, config, lora, folder, options -> AdapterFit.savedModules(options, model));
        }
        LayerChoice layers = lora.layers();
        return settled.set(AdapterKeys.TARGET_MODULES, lora.targetModules())
                .set(AdapterKeys.EXCLUDE_MODULES, layers.excludeModules())
                .set(AdapterKeys.LAYERS_TO_TRANSFORM, orNull(layers.layersToTransform()))
                .set(AdapterKeys.LAYERS_PATTERN, orNull(layers.layersPattern()))
                .set(AdapterKeys.MODULES_TO_SAVE, orNull(lora.modulesToSave()))
                .build();
    }

    /** The options that a job can't have of its own. */
    private static Map<ConfigKey<?>, Object> taken(LoraConfig lora) {
        return Map.of(
                AdapterKeys.R, lora.r(),
                AdapterKeys.LORA_ALPHA, lora.loraAlpha(),
                AdapterKeys.USE_RSLORA, lora.useRslora(),
                AdapterKeys.RANK_PATTERN, lora.rankPattern(),
                AdapterKeys.ALPHA_PATTERN, lora.alphaPattern(),
                AdapterKeys.INIT_LORA_WEIGHTS, lora.initLoraWeights().toString(),
                AdapterKeys.USE_DORA, lora.useDora(),
                AdapterKeys.BIAS, lora.bias().name().toLowerCase(Locale.ROOT));
    }

    private static <T> List<T> orNull(List<T> list) {
        return list.isEmpty() ? null : list;
    }

    /** The same modules may be said in several ways. */
    private static void requireSame(
            String keys, JobConfig job, LoraConfig adapter, Path folder, Function<LoraConfig, Set<String>> modules) {
        Set<String> wanted = modules.apply(EngineSettings.lora(job));
        Set<String> there = modules.apply(adapter);
        Set<String> differing = new HashSet<>(wanted);
        differing.removeAll(there);
        boolean ofJob = !differing.isEmpty();
        if (!ofJob) {
            differing.addAll(there);
            differing.removeAll(wanted);
        }
        differing.stream().min(String::compareTo).ifPresent(module -> {
            throw AdapterErrors.otherModules(keys, module, ofJob, folder);
        });
    }

    /**
     * Checks that its weights are there and fit the base.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT, with file, problem and fix
     */
    public static void check(JobConfig settled, ModelConfig model) {
        folder(settled).ifPresent(folder -> AdapterFit.require(AdapterFiles.read(folder), model));
    }

    /** A hash of its files, or null without one. */
    static String hash(JobConfig config) {
        return folder(config).map(AdapterFiles::sha256).orElse(null);
    }

    /**
     * The adapter that a run starts from; none if it starts from a fresh one.
     *
     * @param hash of the files that the driver saw, or null
     * @throws io.sparkqlora.kernels.QLoraException INPUT if those here are others, or none
     */
    public static Optional<Adapter> read(JobConfig config, String hash) {
        Optional<Path> folder = folder(config);
        folder.ifPresent(there -> {
            String found = AdapterFiles.sha256(there);
            if (!found.equals(hash)) {
                throw AdapterErrors.otherAdapter(there, hash, found);
            }
        });
        return folder.map(AdapterFiles::read);
    }
}
