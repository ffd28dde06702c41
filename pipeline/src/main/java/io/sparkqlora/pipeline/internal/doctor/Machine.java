// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.doctor;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.pipeline.internal.doctor.Doctor.Check;
import io.sparkqlora.tokenize.TextTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Locale;

/** Memory, the folder for temporary files, and the native libraries of the CPU. */
final class Machine {

    private static final double GIB = 1L << 30;
    /** What Spark and the engine take beside the data of small jobs. */
    private static final long LEAST_HEAP = 900L << 20;
    /** Native libraries are unpacked there, and Spark spills. */
    private static final long LEAST_TEMPORARY = 1L << 30;

    /** The smallest tokenizer that there is. */
    private static final String TOKENIZER =
            "{\"version\":\"1.0\",\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"a\"}}";

    private Machine() {}

    static List<Check> checks() {
        Path temporary = Path.of(System.getProperty("java.io.tmpdir"));
        return List.of(
                new Check("memory", () -> memory(Runtime.getRuntime().maxMemory())),
                new Check("temporary files", () -> temporary(temporary)),
                new Check("cpu kernels", Machine::kernels),
                new Check("tokenizers", () -> tokenizers(temporary)));
    }

    static Finding memory(long heap) {
        String has = String.format(Locale.ROOT, "%.1f GiB of heap", heap / GIB);
        return heap < LEAST_HEAP
                ? Finding.wrong("memory", has + " is little for Spark; give it 1 GiB or more (QLORA_JAVA_OPTS=-Xmx2g)")
                : Finding.ok("memory", has);
    }

    /** Libraries are unpacked into it and run from it. */
    static Finding temporary(Path folder) {
        try {
            long free = Files.getFileStore(folder).getUsableSpace();
            String has = String.format(Locale.ROOT, "%s, %.1f GiB free", folder, free / GIB);
            String other = "; choose another folder (QLORA_JAVA_OPTS=-Djava.io.tmpdir=…)";
            if (free < LEAST_TEMPORARY) {
                return Finding.wrong("temporary files", has + ", 1 GiB is needed" + other);
            }
            return runs(folder)
                    ? Finding.ok("temporary files", has)
                    : Finding.wrong(
                            "temporary files", has + ", mounted noexec, so that no library loads from it" + other);
        } catch (IOException e) {
            return Finding.wrong(
                    "temporary files",
                    folder + " can't be written (" + e.getMessage()
                            + "); choose another folder (QLORA_JAVA_OPTS=-Djava.io.tmpdir=…)");
        }
    }

    private static boolean runs(Path folder) throws IOException {
        var mine = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));
        Path script = Files.createTempFile(folder, "qlora", ".sh", mine);
        try {
            Files.writeString(script, "#!/bin/sh\nexit 0\n");
            return new ProcessBuilder(script.toString()).start().waitFor() == 0;
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        } finally {
            Files.deleteIfExists(script);
        }
    }

    private static Finding kernels() {
        try (Device cpu = Devices.open("cpu")) {
            return Finding.ok(
                    "cpu kernels",
                    String.format(Locale.ROOT, "%s, %.1f GiB available", cpu.name(), cpu.availableBytes() / GIB));
        }
    }

    private static Finding tokenizers(Path temporary) {
        try {
            Path folder = Files.createTempDirectory(temporary, "qlora");
            Path file = folder.resolve("tokenizer.json");
            Files.writeString(file, TOKENIZER);
            try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
                return Finding.ok(
                        "tokenizers", "Hugging Face tokenizers load (" + tokenizer.vocabSize() + " test token)");
            } finally {
                Files.deleteIfExists(file);
                Files.deleteIfExists(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
