// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import io.sparkqlora.pipeline.HubErrors;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkContext$;
import org.apache.spark.SparkEnv;
import org.apache.spark.deploy.SparkHadoopUtil;
import scala.Option;

/**
 * The folder on this machine that a job's base is read from: the one that the job names, or the copy of what it names elsewhere. Every
 * process that needs the base asks here, and one of each host brings what isn't there yet.
 */
public final class BaseFolder {

    /** What may be a model's name on the Hub as well as a folder. */
    private static final Pattern LIKE_A_MODEL = Pattern.compile("[A-Za-z0-9][\\w.-]*/[A-Za-z0-9][\\w.-]*");

    private BaseFolder() {}

    /**
     * The folder, in which the files of a part are there. Of a folder of this machine nothing is checked.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P180–P194, with what can't be had and the fix
     */
    public static Path of(JobConfig config, BasePart part) {
        String value = config.get(ModelKeys.MODEL_NAME_OR_PATH);
        BaseName name = BaseName.of(value);
        if (name instanceof BaseName.Folder folder) {
            if (LIKE_A_MODEL.matcher(value).matches() && !Files.exists(folder.path())) {
                throw HubErrors.noSuchFolder(value);
            }
            return folder.path();
        }
        return name instanceof BaseName.Hub hub
                ? hub(hub, config).folder(part)
                : store(((BaseName.Store) name).uri(), config).folder(part);
    }

    /** Whether a job's base lies elsewhere, and is copied. */
    public static boolean isRemote(JobConfig config) {
        return !(BaseName.of(config.get(ModelKeys.MODEL_NAME_OR_PATH)) instanceof BaseName.Folder);
    }

    /** The folder of this machine that a value names; none if it names a place elsewhere. */
    public static Optional<Path> local(String value) {
        return BaseName.of(value) instanceof BaseName.Folder folder ? Optional.of(folder.path()) : Optional.empty();
    }

    /**
     * What {@code base_model_name_or_path} of an adapter's configuration means to a job: a folder of this machine where there is one,
     * else, as to PEFT, a model of the Hub.
     */
    public static String ofAdapter(String value) {
        return LIKE_A_MODEL.matcher(value).matches() && !Files.exists(Path.of(value))
                ? BaseName.Hub.PREFIX + value
                : value;
    }

    /** Whether a value names a model of the Hub. */
    public static boolean isOnHub(String value) {
        return BaseName.of(value) instanceof BaseName.Hub;
    }

    /**
     * The job with the commit that its base's revision is now, so that all machines and all parts of the job have the same one. A job
     * whose base isn't on the Hub is as it was.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P182–P186, P188 if nobody can tell
     */
    public static JobConfig pinned(JobConfig config) {
        return BaseName.of(config.get(ModelKeys.MODEL_NAME_OR_PATH)) instanceof BaseName.Hub hub && !hub.isCommit()
                ? withBase(config, hub(hub, config).commit().toString())
                : config;
    }

    /**
     * The job with the commit at which a recorded base was, where that is a model of the Hub, and the job names the same one and leaves
     * the commit open. (That the content is the same is checked where it is opened, as it is for folders.)
     *
     * @param recorded a name with a commit; may be anything else, or null
     */
    public static JobConfig pinnedAs(String recorded, JobConfig config) {
        boolean same = BaseName.of(config.get(ModelKeys.MODEL_NAME_OR_PATH)) instanceof BaseName.Hub hub
                && !hub.isCommit()
                && recorded != null
                && recorded.startsWith(BaseName.Hub.PREFIX)
                && BaseName.of(recorded) instanceof BaseName.Hub then
                && then.isCommit()
                && then.id().equals(hub.id());
        return same ? withBase(config, recorded) : config;
    }

    private static JobConfig withBase(JobConfig config, String name) {
        return config.toBuilder().set(ModelKeys.MODEL_NAME_OR_PATH, name).build();
    }

    /**
     * What a remote base is when one looks from here, without its weights: which commit, or files of which sizes and times. Brings the
     * configuration, so that whatever copies need is known to be there.
     *
     * @throws io.sparkqlora.kernels.QLoraException as {@link #of}
     */
    public static String version(JobConfig config) {
        BaseName name = BaseName.of(config.get(ModelKeys.MODEL_NAME_OR_PATH));
        if (name instanceof BaseName.Hub hub) {
            HubBase base = hub(hub, config);
            base.folder(BasePart.CONFIG);
            return base.commit().revision();
        }
        StoreBase base = store(((BaseName.Store) name).uri(), config);
        base.folder(BasePart.CONFIG);
        return base.version();
    }

    /**
     * Settings by which Spark's executors talk to the Hub as this process does. Folders of caches are each machine's own.
     *
     * @param environment of this process
     * @return nothing for a job that has nothing to do with the Hub
     */
    public static Map<String, String> executorSettings(JobConfig config, Map<String, String> environment) {
        Map<String, String> settings = new TreeMap<>();
        if (isOnHub(config.get(ModelKeys.MODEL_NAME_OR_PATH))) {
            for (String name : List.of("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE")) {
                String value = environment.getOrDefault(name, "");
                if (!value.isEmpty()) {
                    settings.put(CacheFolders.EXECUTOR + name, value);
                }
            }
        }
        return settings;
    }

    /**
     * What a remote base is, and what its copy here still takes.
     *
     * @param version which commit, or files of which sizes and times
     * @param missing bytes of weights that are yet to be fetched
     * @param cache where they go
     */
    public record Look(String version, long missing, Path cache) {}

    /**
     * Looks at a remote base. Brings everything but the weights.
     *
     * @throws io.sparkqlora.kernels.QLoraException as {@link #of}
     */
    public static Look look(JobConfig config) {
        BaseName name = BaseName.of(config.get(ModelKeys.MODEL_NAME_OR_PATH));
        if (name instanceof BaseName.Hub hub) {
            HubBase base = hub(hub, config);
            Path folder = base.folder(BasePart.TOKENIZER);
            return new Look(base.commit().toString(), base.missing(), folder);
        }
        StoreBase base = store(((BaseName.Store) name).uri(), config);
        Path folder = base.folder(BasePart.TOKENIZER);
        return new Look(base.version(), base.missing(), folder);
    }

    private static HubBase hub(BaseName.Hub name, JobConfig config) {
        HubSettings settings = HubSettings.of(config.get(ModelKeys.CACHE_DIR), CacheFolders::variable);
        return new HubBase(name, settings, Patience.USUAL);
    }

    private static StoreBase store(URI uri, JobConfig config) {
        Path cache = CacheFolders.ofStores(config.get(ModelKeys.CACHE_DIR), CacheFolders::variable);
        return new StoreBase(uri, hadoop(), cache, Patience.USUAL);
    }

    /** Settings of filesystems: the session's on the driver, and on an executor those that Spark sent it (spark.hadoop.*). */
    private static Configuration hadoop() {
        Option<SparkContext> driver = SparkContext$.MODULE$.getActive();
        if (driver.isDefined() && !driver.get().isStopped()) {
            return driver.get().hadoopConfiguration();
        }
        SparkEnv executor = SparkEnv.get();
        return SparkHadoopUtil.get().newConfiguration(executor == null ? new SparkConf() : executor.conf());
    }
}
