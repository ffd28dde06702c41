// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.tables;

import io.delta.storage.HDFSLogStore;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.Predicate;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** Delta's log on the local disk, with writes of it that fail when a test says so; a session names it by its class. */
public final class FaultyLogStore extends HDFSLogStore {

    /** When a write fails. */
    public enum Fault {
        /** Nothing was written. */
        BEFORE,
        /** It was written, and whoever wrote it doesn't know. */
        AFTER
    }

    private record Plan(Fault fault, Predicate<Path> commits, List<Path> failed) {}

    private static volatile Plan plan;

    /** What Delta calls. */
    public FaultyLogStore(Configuration hadoop) {
        super(hadoop);
    }

    /** Until it is closed, writes of commits that a predicate picks fail. */
    public static Faults failing(Fault fault, Predicate<Path> commits) {
        plan = new Plan(fault, commits, new ArrayList<>());
        return new Faults(plan.failed());
    }

    /**
     * What failed.
     *
     * @param commits so far, each as often as it did
     */
    public record Faults(List<Path> commits) implements AutoCloseable {

        @Override
        public void close() {
            plan = null;
        }
    }

    @Override
    public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration hadoop) throws IOException {
        Plan now = plan;
        boolean fails = now != null && now.commits().test(path);
        if (!fails || now.fault() == Fault.AFTER) {
            super.write(path, actions, overwrite, hadoop);
        }
        if (fails) {
            now.failed().add(path);
            throw new IOException("the store did not answer");
        }
    }
}
