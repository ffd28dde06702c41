// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import io.sparkqlora.pipeline.HubErrors;
import java.net.URI;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Where {@code model_name_or_path} says that a base lies. */
sealed interface BaseName {

    /** A URI's scheme; one letter would be a drive. */
    Pattern SCHEME = Pattern.compile("[A-Za-z][A-Za-z0-9+.-]+:.*");

    /** A folder of this machine. */
    record Folder(Path path) implements BaseName {}

    /** A folder of another filesystem, which Hadoop reads. */
    record Store(URI uri) implements BaseName {}

    /**
     * A model of the Hugging Face Hub.
     *
     * @param id its name there, with its organisation's where it has one
     * @param revision a branch, a tag or a commit
     */
    record Hub(String id, String revision) implements BaseName {

        static final String PREFIX = "hf://";

        private static final String PART = "[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?";
        private static final Pattern TEXT =
                Pattern.compile("hf://(" + PART + "(?:/" + PART + ")?)(?:@([A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*))?");
        private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

        private static Hub of(String value) {
            Matcher text = TEXT.matcher(value);
            if (!text.matches() || value.contains("..") || text.group(1).contains("--")) {
                throw HubErrors.notAPlace(
                        value, "a model's name is hf://organisation/model or hf://organisation/model@revision");
            }
            return new Hub(text.group(1), text.group(2) == null ? "main" : text.group(2));
        }

        /** Whether the revision is a commit, which never becomes another one. */
        boolean isCommit() {
            return COMMIT.matcher(revision).matches();
        }

        Hub at(String commit) {
            return new Hub(id, commit);
        }

        @Override
        public String toString() {
            return PREFIX + id + "@" + revision;
        }
    }

    /**
     * What a value says; nothing is looked for.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P180 if it is no place at all
     */
    static BaseName of(String value) {
        if (value.startsWith(Hub.PREFIX)) {
            return Hub.of(value);
        }
        if (!SCHEME.matcher(value).matches()) {
            return new Folder(Path.of(value));
        }
        URI uri;
        try {
            uri = new org.apache.hadoop.fs.Path(value).toUri();
        } catch (IllegalArgumentException e) {
            throw HubErrors.notAPlace(value, "it is no URI");
        }
        if (uri.getPath() == null || uri.getPath().isEmpty()) {
            throw HubErrors.notAPlace(value, "it names no folder");
        }
        return uri.getScheme().equals("file") ? new Folder(Path.of(uri.getPath())) : new Store(uri);
    }
}
