// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.pipeline.internal.run.GroupProgress;
import io.sparkqlora.pipeline.internal.run.RunObserver;

/** Adds up the groups that are committed and those that have ended since, and tells an observer. */
final class GroupCounter {

    private final RunObserver observer;
    private final int total;
    private int done;
    private int failed;
    private int doneSince;
    private int failedSince;

    GroupCounter(RunObserver observer, int total) {
        this.observer = observer;
        this.total = total;
    }

    /** So many are in the tables. */
    synchronized void committed(int groupsDone, int groupsFailed) {
        done = groupsDone;
        failed = groupsFailed;
        since(0, 0);
    }

    /** One more has ended. */
    synchronized void ended(boolean groupFailed) {
        since(doneSince + (groupFailed ? 0 : 1), failedSince + (groupFailed ? 1 : 0));
    }

    /** So many have ended since the last commit. */
    synchronized void since(int groupsDone, int groupsFailed) {
        doneSince = groupsDone;
        failedSince = groupsFailed;
        observer.onGroups(new GroupProgress(done + doneSince, failed + failedSince, total));
    }
}
