// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.tokenize.TokenizeErrors;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.compress.CompressionCodec;
import org.apache.hadoop.io.compress.CompressionCodecFactory;
import org.apache.spark.sql.SparkSession;

/**
 * The files of a source, sorted by path: those that a file, a folder (with the folders in it) or a glob names, without what
 * Spark ignores too (names that begin with {@code _} or {@code .}).
 *
 * @param location what the user named
 * @param files at least one file
 */
public record SourceFiles(String location, List<FileStatus> files) {

    private static final Pattern GLOB = Pattern.compile("[{}\\[\\]*?\\\\]");

    /**
     * Lists the files.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-D050 when there is no such path, D055 when it holds no file, D063 when it can't be listed
     */
    public static SourceFiles list(SparkSession spark, String location) {
        List<FileStatus> found = new ArrayList<>();
        try {
            Path path = new Path(location);
            FileSystem system = path.getFileSystem(configuration(spark));
            // a name with a glob's characters in it goes before the glob
            FileStatus[] roots =
                    system.exists(path) ? new FileStatus[] {system.getFileStatus(path)} : system.globStatus(path);
            if (roots == null || roots.length == 0) {
                throw TokenizeErrors.sourceMissing(location);
            }
            for (FileStatus root : roots) {
                collect(system, root, found);
            }
        } catch (FileNotFoundException e) {
            throw TokenizeErrors.sourceMissing(location);
        } catch (QLoraException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            throw TokenizeErrors.unlistable(location, e);
        }
        if (found.isEmpty()) {
            throw TokenizeErrors.noFile(location);
        }
        found.sort(Comparator.comparing(status -> status.getPath().toString()));
        return new SourceFiles(location, found);
    }

    private static void collect(FileSystem system, FileStatus status, List<FileStatus> into) throws IOException {
        if (status.isFile()) {
            requireNameForHadoop(status.getPath());
            into.add(status);
            return;
        }
        for (FileStatus child : system.listStatus(status.getPath())) {
            String name = child.getPath().getName();
            // partition folders such as _year=2024 are data, as Spark has it
            boolean hidden = name.startsWith(".") || (name.startsWith("_") && !name.contains("="));
            if (!hidden) {
                collect(system, child, into);
            }
        }
    }

    /** A local file has its checksum beside it, and the name of that can't be made of a name with a colon. */
    private static void requireNameForHadoop(Path file) {
        if ("file".equals(file.toUri().getScheme())) {
            new Path(file.getParent(), file.getName());
        }
    }

    /** Hadoop's configuration of the session, {@code spark.hadoop.*} included. */
    static Configuration configuration(SparkSession spark) {
        return spark.sparkContext().hadoopConfiguration();
    }

    /** A file's bytes, unpacked if its name says that they are packed. */
    static InputStream open(SparkSession spark, FileStatus file) throws IOException {
        Configuration configuration = configuration(spark);
        InputStream raw = file.getPath().getFileSystem(configuration).open(file.getPath());
        CompressionCodec codec = new CompressionCodecFactory(configuration).getCodec(file.getPath());
        return codec == null ? raw : codec.createInputStream(raw);
    }

    /** The location with its scheme and from the root, as it is known wherever the job runs. */
    public static String qualified(SparkSession spark, String location) {
        try {
            Path path = new Path(location);
            return path.getFileSystem(configuration(spark)).makeQualified(path).toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The paths as Spark's readers take them: they expand globs, so the characters of one are escaped. */
    public String[] paths() {
        return files.stream()
                .map(file -> GLOB.matcher(file.getPath().toString()).replaceAll("\\\\$0"))
                .toArray(String[]::new);
    }

    /** A hash of every file's path, size and modification time. */
    public String hash() {
        StringBuilder listing = new StringBuilder();
        for (FileStatus file : files) {
            listing.append(file.getPath())
                    .append('\t')
                    .append(file.getLen())
                    .append('\t')
                    .append(file.getModificationTime())
                    .append('\n');
        }
        return Hashes.hex(listing.toString());
    }
}
