// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.pipeline.AdapterErrors;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.AdapterFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An adapter that one word names.
 *
 * @param name its folder, or its id
 */
public record NamedAdapter(String name, Adapter adapter) {

    /** {@code run_id}, {@code run_id@step}, {@code run_id/group_key@step}. */
    private static final Pattern ID = Pattern.compile("([A-Za-z0-9._-]{1,128})(?:/(.+?))?(?:@([0-9]{1,18}))?");

    /** Whether a word names a folder in which an adapter lies. */
    public static boolean isFolder(String name) {
        return Files.exists(Path.of(name).resolve(AdapterFiles.CONFIG));
    }

    /**
     * The adapter in a folder, or of a run in the job's tables.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if the folder's files are damaged; CONFIG if there is no such adapter
     */
    public static NamedAdapter of(Workspace work, String name) {
        if (isFolder(name)) {
            return new NamedAdapter(name, AdapterFiles.read(Path.of(name)));
        }
        Matcher id = ID.matcher(name);
        if (!id.matches() || RunRecord.find(work.tables(), id.group(1)).isEmpty()) {
            throw AdapterErrors.noSuchAdapter(name, work.tables().root());
        }
        Long step = id.group(3) == null ? null : Long.valueOf(id.group(3));
        AdapterChoice choice = RunChoice.of(work, id.group(1), id.group(2), step);
        return new NamedAdapter(choice.adapterId(), choice.adapter());
    }
}
