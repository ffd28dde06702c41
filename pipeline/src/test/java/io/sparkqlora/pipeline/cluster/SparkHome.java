// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.cluster;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import java.util.zip.Deflater;
import java.util.zip.ZipEntry;

/**
 * A folder that stands for an installation of Spark: its {@code jars/} is this JVM's class path, jars as links and folders of
 * classes as jars, so that executors have what the test has.
 */
final class SparkHome {

    private SparkHome() {}

    /** Fills a folder. */
    static Path install(Path home) throws IOException {
        Path jars = Files.createDirectories(home.resolve("jars"));
        int number = 0;
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
            if (entry.isEmpty()) {
                continue;
            }
            Path path = Path.of(entry).toAbsolutePath();
            // two modules' jars may have the same name; the first of two equal classes counts
            Path target = jars.resolve(String.format("%03d-%s.jar", number++, name(path)));
            if (Files.isRegularFile(path)) {
                Files.createSymbolicLink(target, path);
            } else if (Files.isDirectory(path)) {
                archive(path, target);
            }
        }
        return home;
    }

    private static String name(Path path) {
        return path.getFileName().toString().replaceFirst("\\.jar$", "");
    }

    private static void archive(Path folder, Path jar) throws IOException {
        List<Path> files;
        try (Stream<Path> all = Files.walk(folder)) {
            files = all.filter(Files::isRegularFile).sorted().toList();
        }
        try (OutputStream out = Files.newOutputStream(jar);
                JarOutputStream archive = new JarOutputStream(out)) {
            archive.setLevel(Deflater.NO_COMPRESSION);
            for (Path file : files) {
                archive.putNextEntry(new ZipEntry(folder.relativize(file).toString()));
                Files.copy(file, archive);
                archive.closeEntry();
            }
        }
    }
}
