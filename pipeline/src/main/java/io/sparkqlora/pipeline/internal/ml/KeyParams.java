// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.ConfigKey;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.MlErrors;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.QuantizationKeys;
import io.sparkqlora.pipeline.internal.config.JobFile;
import io.sparkqlora.train.ModulePattern;
import io.sparkqlora.train.TargetModules;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.Predicate;
import org.apache.spark.ml.param.BooleanParam;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;

/**
 * The params of a stage. Those of job keys have the key's name in camel case, and its text, default and check: there is no
 * second place that says what a key may be. Each is made once.
 */
public final class KeyParams {

    private static final ObjectMapper JSON = new ObjectMapper();

    private static final Set<ConfigKey<?>> LISTS = Set.of(
            AdapterKeys.TARGET_MODULES,
            AdapterKeys.EXCLUDE_MODULES,
            AdapterKeys.LAYERS_PATTERN,
            AdapterKeys.MODULES_TO_SAVE,
            QuantizationKeys.LLM_INT8_SKIP_MODULES);

    private final String uid;
    private final Map<String, Param<?>> params = new ConcurrentHashMap<>();
    private final Map<String, ConfigKey<?>> keys = new ConcurrentHashMap<>();

    /** Params of the stage of this name. */
    public KeyParams(String uid) {
        this.uid = uid;
    }

    /** A key's name in MLlib's spelling. */
    public static String name(ConfigKey<?> key) {
        String[] words = key.name().split("_", -1);
        StringBuilder name = new StringBuilder(words[0]);
        Arrays.stream(words).skip(1).forEach(word -> name.append(Character.toUpperCase(word.charAt(0)))
                .append(word.substring(1)));
        return name.toString();
    }

    /** A whole number. */
    public IntParam integer(ConfigKey<Integer> key) {
        return (IntParam) of(key, name -> new IntParam(uid, name, doc(key), value -> valid(key, name, value)));
    }

    /** A 64-bit whole number. */
    public LongParam wide(ConfigKey<Long> key) {
        return (LongParam) of(key, name -> new LongParam(uid, name, doc(key), value -> valid(key, name, value)));
    }

    /** A number. */
    public DoubleParam number(ConfigKey<Double> key) {
        return (DoubleParam) of(key, name -> new DoubleParam(uid, name, doc(key), value -> valid(key, name, value)));
    }

    /** True or false. */
    public BooleanParam bool(ConfigKey<Boolean> key) {
        return (BooleanParam) of(key, name -> new BooleanParam(uid, name, doc(key)));
    }

    /** A text, as a job file or {@code --set} has it. */
    @SuppressWarnings("unchecked") // what is put there for a key of text is a param of text
    public Param<String> text(ConfigKey<?> key) {
        return (Param<String>) of(key, name -> new Param<>(uid, name, doc(key), text -> valid(key, name, text)));
    }

    /** A text that is no job key: a column's name. */
    @SuppressWarnings("unchecked") // what is put there under a name of text is a param of text
    public Param<String> text(String name, String doc) {
        return (Param<String>) params.computeIfAbsent(name, missing -> new Param<String>(uid, name, doc));
    }

    /** A whole number that is no job key. */
    public IntParam integer(String name, String doc, Predicate<Integer> check, String allowed) {
        return (IntParam) params.computeIfAbsent(
                name,
                missing -> new IntParam(uid, name, doc + " (" + allowed + ")", value -> {
                    if (!check.test((Integer) value)) {
                        throw PipelineErrors.badValue(uid, name, String.valueOf(value), allowed);
                    }
                    return true;
                }));
    }

    /** True or false, of no job key. */
    public BooleanParam bool(String name, String doc) {
        return (BooleanParam) params.computeIfAbsent(name, missing -> new BooleanParam(uid, name, doc));
    }

    private Param<?> of(ConfigKey<?> key, Function<String, Param<?>> make) {
        String name = name(key);
        keys.put(name, key);
        return params.computeIfAbsent(name, make);
    }

    private static String doc(ConfigKey<?> key) {
        return key.doc() + " (" + key.type().allowed() + ")";
    }

    /** True, or an error that says what is allowed, which MLlib's own does not. */
    private boolean valid(ConfigKey<?> key, String name, Object value) {
        if (value == null || key.type().parse(node(key, value)).isEmpty()) {
            throw PipelineErrors.badValue(
                    uid, name, String.valueOf(value), key.type().allowed());
        }
        return true;
    }

    /** Which modules get an adapter may be a list, which is written as a job file has it: {@code [q_proj, v_proj]}. */
    private static JsonNode node(ConfigKey<?> key, Object value) {
        return LISTS.contains(key) ? JobFile.option(key.name() + "=" + value).value() : JSON.valueToTree(value);
    }

    /** Gives a new stage the keys' defaults. */
    @SuppressWarnings("unchecked") // a param holds what its key holds
    public void setDefaults(Params stage) {
        for (Param<?> param : stage.params()) {
            ConfigKey<?> key = keys.get(param.name());
            // how many fits share a device is known when they are there
            if (key != null && key.defaultValue() != null && !key.equals(GroupKeys.GROUPS_PER_DEVICE)) {
                stage.setDefault((Param<Object>) param, plain(key.defaultValue()));
            }
        }
    }

    private static Object plain(Object value) {
        if (value instanceof Map<?, ?> || value instanceof ModulePattern) {
            return value.toString();
        }
        return value instanceof TargetModules targets ? targets.toConfigValue().toString() : value;
    }

    /** What was set of a stage as the values of a job, whose keys have the same defaults. */
    public void copyTo(Params stage, JobConfigBuilder job) {
        for (Param<?> param : stage.params()) {
            ConfigKey<?> key = keys.get(param.name());
            if (key != null && stage.isSet(param)) {
                job.set(key.name(), node(key, stage.getOrDefault(param)));
            }
        }
    }

    /**
     * Checks that params have values.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG for the first that has none
     */
    public static void require(Params stage, List<Param<String>> wanted) {
        for (Param<String> param : wanted) {
            if (!stage.isDefined(param)) {
                throw MlErrors.paramMissing(stage.uid(), param.name(), param.doc());
            }
        }
    }
}
