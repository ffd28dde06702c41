// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;

/** The files of a tokenizer in one array of bytes, for executors that don't see the folder they lie in. */
final class TokenizerArchive {

    private static final List<String> NAMES = List.of(
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
            "chat_template.jinja",
            "chat_template.json");
    private static final Path MORE_TEMPLATES = Path.of("additional_chat_templates");

    private TokenizerArchive() {}

    /** Packs the files of a tokenizer's or checkpoint's folder that have to do with tokenizing. */
    static byte[] pack(Path dir) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            for (String name : NAMES) {
                add(dir, Path.of(name), zip);
            }
            if (Files.isDirectory(dir.resolve(MORE_TEMPLATES))) {
                try (var templates = Files.list(dir.resolve(MORE_TEMPLATES))) {
                    for (Path file : templates.sorted().toList()) {
                        add(dir, MORE_TEMPLATES.resolve(file.getFileName()), zip);
                    }
                }
            }
        }
        return bytes.toByteArray();
    }

    private static void add(Path dir, Path name, ZipOutputStream to) throws IOException {
        if (Files.isRegularFile(dir.resolve(name))) {
            to.putNextEntry(new ZipEntry(name.toString()));
            Files.copy(dir.resolve(name), to);
            to.closeEntry();
        }
    }

    /** Writes the files into a folder. */
    static void unpack(byte[] archive, Path dir) throws IOException {
        try (ZipInputStream zip = new ZipInputStream(new ByteArrayInputStream(archive))) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                Path file = dir.resolve(entry.getName());
                Files.createDirectories(file.getParent());
                Files.copy(zip, file);
            }
        }
    }
}
