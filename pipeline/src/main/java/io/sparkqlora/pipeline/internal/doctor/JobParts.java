// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.doctor;

import io.sparkqlora.pipeline.ConfigKey;
import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.config.TextLists;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.doctor.Doctor.Check;
import io.sparkqlora.pipeline.internal.job.JobInputs;
import io.sparkqlora.pipeline.internal.run.FirstAdapter;
import io.sparkqlora.pipeline.internal.run.RunDevice;
import io.sparkqlora.pipeline.internal.run.RunDevices;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.UnsupportedFileSystemException;
import org.apache.hadoop.fs.permission.FsAction;

/** What a job names: its checkpoint, its filesystems, and whether its training fits. */
final class JobParts {

    private static final double MIB = 1L << 20;
    private static final double GIB = 1L << 30;

    private JobParts() {}

    static List<Check> checks(JobConfig job) {
        List<Check> checks = new ArrayList<>();
        checks.add(new Check("checkpoint", () -> checkpoint(job)));
        if (BaseFolder.isRemote(job)) {
            checks.add(new Check("copy of the base", () -> copy(job)));
        }
        for (ConfigKey<String> key : List.of(DataKeys.DATASET, DataKeys.EVAL_DATASET)) {
            if (job.has(key)) {
                TextLists.of(job.get(key))
                        .forEach(source -> checks.add(new Check(key.name(), () -> dataset(key.name(), source))));
            }
        }
        checks.add(new Check("output_dir", () -> output(job.get(RunKeys.OUTPUT_DIR))));
        return checks;
    }

    private static Finding checkpoint(JobConfig job) {
        BaseModel base = BaseFolder.isRemote(job) ? JobInputs.checkWithoutWeights(job) : JobInputs.check(job);
        RunDevice device = RunDevices.here(job);
        long need = JobInputs.memory(FirstAdapter.settle(job, base.config()), base, device, JobInputs.longestRow(job))
                .total();
        String says = String.format(
                Locale.ROOT,
                "%s, training takes %s of %.1f GiB on %s",
                job.get(ModelKeys.MODEL_NAME_OR_PATH),
                need < GIB
                        ? String.format(Locale.ROOT, "%.1f MiB", need / MIB)
                        : String.format(Locale.ROOT, "%.1f GiB", need / GIB),
                device.availableBytes() / GIB,
                device.name());
        return need <= device.availableBytes()
                ? Finding.ok("checkpoint", says)
                : Finding.wrong(
                        "checkpoint",
                        says + "; lower per_device_train_batch_size or max_seq_length, or recompute: full");
    }

    /** Whether a base that lies elsewhere can be fetched, and has room here. */
    private static Finding copy(JobConfig job) {
        BaseFolder.Look look = BaseFolder.look(job);
        try {
            long free = Files.getFileStore(look.cache()).getUsableSpace();
            String says = String.format(
                    Locale.ROOT,
                    "%s in %s: %.1f GiB are yet to be fetched, %.1f GiB are free",
                    look.version(),
                    look.cache(),
                    look.missing() / GIB,
                    free / GIB);
            return look.missing() <= free
                    ? Finding.ok("copy of the base", says)
                    : Finding.wrong(
                            "copy of the base", says + "; make room, or set cache_dir to a folder with more of it");
        } catch (IOException e) {
            return unreachable("copy of the base", new Path(look.cache().toString()), e);
        }
    }

    /** A path that exists, or else perhaps a table's name. */
    private static Finding dataset(String part, String name) {
        Path path = new Path(name);
        try {
            FileSystem files = path.getFileSystem(new Configuration());
            if (files.globStatus(path) != null && files.globStatus(path).length > 0) {
                return Finding.ok(part, files.makeQualified(path).toString());
            }
        } catch (IOException e) {
            return unreachable(part, path, e);
        }
        return name.matches("[\\w`.]+")
                ? Finding.ok(part, name + " is no path, so a table's name; only a session can look for it")
                : Finding.wrong(part, name + " does not exist; correct the key " + part);
    }

    /** The folder, or the nearest one above it that there is, can be written. */
    private static Finding output(String name) {
        Path path = new Path(name);
        try {
            FileSystem files = path.getFileSystem(new Configuration());
            Path there = files.makeQualified(path);
            while (!files.exists(there) && there.getParent() != null) {
                there = there.getParent();
            }
            files.access(there, FsAction.WRITE);
            return Finding.ok("output_dir", files.makeQualified(path).toString());
        } catch (IOException e) {
            return unreachable("output_dir", path, e);
        }
    }

    private static Finding unreachable(String part, Path path, IOException e) {
        String problem = e.getMessage() == null
                ? e.toString()
                : e.getMessage().lines().findFirst().orElse("");
        return Finding.wrong(
                part,
                e instanceof UnsupportedFileSystemException
                        ? path + ": " + problem
                                + "; add the connector's jar (for s3a org.apache.hadoop:hadoop-aws of Hadoop's version)"
                                + " to Spark's (spark.jars.packages)"
                        : path + " can't be reached: " + problem
                                + "; check the path, its permissions and the credentials");
    }
}
