// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;

/** The errors of ranks that work together: T100–T119. What is RANK_LOST is gone with another attempt, or a resume. */
public final class CollectiveErrors {

    private static final String GO_ON = "the same command goes on from the last commit";

    private CollectiveErrors() {}

    /** A rank from which nothing came for too long. */
    public static QLoraException rankSilent(String peer, double seconds, String where) {
        return lost(
                100,
                peer + " was silent for " + seconds(seconds) + " s (" + where
                        + "); look at its executor's log, and raise" + " ddp_timeout if it is only slow: " + GO_ON);
    }

    /** A rank whose connection broke. */
    public static QLoraException rankGone(String peer, String problem, String where) {
        return lost(
                101,
                peer + " is gone: " + problem + " (" + where + "); look for its executor's end in Spark's log: "
                        + GO_ON);
    }

    /** A rank that failed by something that has no code of its own. */
    public static QLoraException rankFailed(String peer, Throwable cause, String where) {
        String text = cause.getMessage() == null ? "" : ": " + oneLine(cause.getMessage());
        return lost(
                102,
                peer + " failed with " + cause.getClass().getSimpleName() + text + " (" + where
                        + "); its executor's log says more: " + GO_ON);
    }

    /** Something came that no rank sends. */
    public static QLoraException badFrame(String peer, String problem, String where) {
        return lost(
                103,
                peer + " sent what no rank sends: " + problem + " (" + where
                        + "); the executors must have the same spark-qlora, and nothing else may write to their ports");
    }

    /** Somebody who doesn't belong here wanted to join. */
    public static QLoraException refused(String who, String problem) {
        return lost(104, who + " is refused: " + problem + "; a task of an earlier attempt ends by this");
    }

    /** A rank that didn't join. */
    public static QLoraException rankMissing(String peer, String problem, String where) {
        return lost(
                105,
                peer + " did not join: " + problem + " (" + where
                        + "); look at its executor's log, and let executors reach" + " each other's ports: " + GO_ON);
    }

    /** Ranks that don't do the same thing. */
    public static QLoraException outOfStep(String peer, String expected, String actual, String where) {
        return lost(
                106,
                peer + " is at " + actual + ", this rank at " + expected + " (" + where
                        + "); the ranks' data or software differ: put the same on all executors");
    }

    /** A rank's thread was interrupted. */
    public static QLoraException rankStopped(String peer, String where) {
        return lost(107, peer + " was interrupted (" + where + "); " + GO_ON);
    }

    /** No port can be opened. */
    public static QLoraException noPort(int rank, Throwable cause) {
        return new QLoraException(
                "QLORA-T108",
                Kind.RANK_LOST,
                "rank " + rank + " can't open a port for the other ranks: " + oneLine(cause.getMessage())
                        + "; look at that machine's network",
                cause);
    }

    /** Ranks whose parameters differ. */
    public static QLoraException ranksDiffer(int rank, String hash, int other, String otherHash, long step) {
        return new QLoraException(
                "QLORA-T109",
                Kind.DEVICE,
                "after step " + step + " the parameters of rank " + other + " (" + otherHash
                        + ") are not those of rank "
                        + rank + " (" + hash
                        + "); nothing of this chunk is kept: use executors of one kind (processor, GPU,"
                        + " software), and test their memory if they are",
                null);
    }

    /** A session and a collective of different sizes. */
    static QLoraException otherWorldSize(int expected, int actual) {
        return new QLoraException(
                "QLORA-T110",
                Kind.CONFIG,
                "the session was opened for num_processes " + expected + ", but " + actual
                        + " ranks take the step; open it with theirs",
                null);
    }

    /** Two ranks on one GPU. */
    public static QLoraException sameDevice(int rank, int other, String device) {
        return new QLoraException(
                "QLORA-T111",
                Kind.CONFIG,
                "ranks " + rank + " and " + other + " have the same GPU, " + device
                        + ": a GPU takes one rank; let Spark"
                        + " give each task one of its own (spark.task.resource.gpu.amount=1 and a discovery script that"
                        + " names every GPU once), or lower num_processes",
                null);
    }

    /** Parts of a base on a GPU that can't be joined to others. */
    public static QLoraException shardNeedsGroup(String who) {
        return new QLoraException(
                "QLORA-T112",
                Kind.CONFIG,
                "shard_base is true on GPUs, and " + who
                        + " can't load libnccl.so.2: layers are gathered between the GPUs, by NCCL; install it on every"
                        + " executor (LD_LIBRARY_PATH), set shard_base: false, or backend: cpu",
                null);
    }

    /** A base of which nothing is sharded. */
    public static QLoraException shardNeedsQuantized() {
        return new QLoraException(
                "QLORA-T113",
                Kind.CONFIG,
                "shard_base is true and load_in_4bit is false: what is sharded is the quantised weights; set load_in_4bit:"
                        + " true or load_in_8bit: true, or shard_base: false",
                null);
    }

    /** Ranks that don't have the whole base between them. */
    public static QLoraException partMissing(int part, String held) {
        return new QLoraException(
                "QLORA-T114",
                Kind.CONFIG,
                "no rank holds part " + part + " of the base, the ranks hold " + held
                        + "; each must open its session with a part of its own",
                null);
    }

    /** Something that one rank does alone, with a part of a base. */
    public static QLoraException wholeBaseNeeded(String what, int ranks) {
        return new QLoraException(
                "QLORA-T115",
                Kind.CONFIG,
                what + " needs the whole base, and this session holds one of " + ranks
                        + " parts of it (shard_base: true); open a session or a generator without shard_base for it",
                null);
    }

    /** What another rank failed with. */
    public static QLoraException ofRank(int rank, String code, Kind kind, String message) {
        String prefix = code + ": ";
        String text = message.startsWith(prefix) ? message.substring(prefix.length()) : message;
        return new QLoraException(code, kind, kind == Kind.RANK_LOST ? text : "rank " + rank + ": " + text, null);
    }

    private static QLoraException lost(int code, String message) {
        return new QLoraException(String.format("QLORA-T%03d", code), Kind.RANK_LOST, message, null);
    }

    private static String seconds(double seconds) {
        return seconds < 10 ? String.format("%.1f", seconds) : String.valueOf(Math.round(seconds));
    }

    private static String oneLine(String text) {
        return text == null
                ? "no detail"
                : text.lines().findFirst().orElse("no detail").strip();
    }
}
