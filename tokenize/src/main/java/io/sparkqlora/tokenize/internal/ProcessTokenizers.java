// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.ConversationTokenizer;
import io.sparkqlora.tokenize.TextTokenizer;
import java.io.File;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.Comparator;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;

/**
 * Brings a tokenizer to executors: its files are broadcast once, and each process opens it once, however many tasks and
 * jobs use it there. Processes keep what they opened, a few megabytes a tokenizer, to their end.
 */
public final class ProcessTokenizers implements ExampleTokenizer.Source {

    private static final long serialVersionUID = 1L;
    private static final Map<Key, ExampleTokenizer> OPENED = new ConcurrentHashMap<>();

    /** What {@link ConversationTokenizer.Settings} are made of, as Java can serialise it. */
    private record Key(
            String sha256,
            String chatTemplate,
            LocalDate chatTemplateDate,
            int maxSeqLength,
            boolean assistantOnlyLoss,
            boolean completionOnlyLoss,
            boolean addGenerationPrompt)
            implements Serializable {

        ConversationTokenizer.Settings settings() {
            return new ConversationTokenizer.Settings(
                    chatTemplate,
                    chatTemplateDate,
                    maxSeqLength,
                    assistantOnlyLoss,
                    completionOnlyLoss,
                    addGenerationPrompt);
        }
    }

    // an array of bytes needs no registration with Kryo
    private final Broadcast<byte[]> archive;
    private final Key key;

    private ProcessTokenizers(Broadcast<byte[]> archive, Key key) {
        this.archive = archive;
        this.key = key;
    }

    /** Broadcasts a tokenizer's files. */
    public static ProcessTokenizers broadcast(
            SparkSession spark, TextTokenizer tokenizer, ConversationTokenizer.Settings settings) throws IOException {
        byte[] archive = TokenizerArchive.pack(tokenizer.dir());
        Key key = new Key(
                tokenizer.sha256(),
                settings.chatTemplate(),
                settings.chatTemplateDate(),
                settings.maxSeqLength(),
                settings.assistantOnlyLoss(),
                settings.completionOnlyLoss(),
                settings.addGenerationPrompt());
        return new ProcessTokenizers(
                JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(archive), key);
    }

    @Override
    public ExampleTokenizer open() {
        return OPENED.computeIfAbsent(key, missing -> unpackAndOpen());
    }

    private ExampleTokenizer unpackAndOpen() {
        Path dir = null;
        try {
            dir = Files.createTempDirectory("tokenizer");
            TokenizerArchive.unpack(archive.value(), dir);
            return new ConversationTokenizer(TextTokenizer.open(dir), key.settings());
        } catch (IOException e) {
            throw new UncheckedIOException("can't unpack a tokenizer in " + System.getProperty("java.io.tmpdir"), e);
        } finally {
            delete(dir);
        }
    }

    private static void delete(Path dir) {
        if (dir == null) {
            return;
        }
        try (var paths = Files.walk(dir)) {
            paths.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
        } catch (IOException e) {
            dir.toFile().deleteOnExit();
        }
    }
}
