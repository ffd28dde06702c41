// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.internal.run.GroupProgress;
import io.sparkqlora.pipeline.internal.run.RunInputs;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import io.sparkqlora.train.StepMetrics;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Locale;

/**
 * The line that shows how a run goes: step, loss, learning rate, gradient norm, tokens per second, time left. On a terminal
 * it is written over at each step; elsewhere (a log) a line is printed every few seconds.
 */
public final class ProgressLine implements RunObserver {

    private static final long LOG_INTERVAL_NANOS = 5_000_000_000L;

    private static final double NANOS = 1e9;

    /** How much the newest step weighs in the tokens per second that are shown. */
    private static final double NEWEST = 0.1;

    private final PrintStream err;
    private final boolean terminal;
    private long totalSteps;
    private double secondsPerStep;
    private double tokensPerSecond;
    private long lastPrinted;
    private long firstGroups;
    private int endedBefore;
    private int shown;

    ProgressLine(PrintStream err, boolean terminal) {
        this.err = err;
        this.terminal = terminal;
    }

    @Override
    public synchronized void onStart(RunInputs inputs, long firstStep) {
        totalSteps = inputs.totalSteps();
        err.println("run " + inputs.runId() + ": "
                + (firstStep == 0 ? totalSteps + " steps" : "goes on after step " + firstStep + " of " + totalSteps));
        lastPrinted = System.nanoTime() - LOG_INTERVAL_NANOS;
    }

    @Override
    public synchronized void onGroups(GroupProgress progress) {
        long now = System.nanoTime();
        int ended = progress.done() + progress.failed();
        if (firstGroups == 0) {
            firstGroups = now;
            endedBefore = ended;
        }
        boolean due = now - lastPrinted >= LOG_INTERVAL_NANOS || ended == progress.total();
        if (terminal) {
            overwrite(text(progress, now));
        } else if (due) {
            lastPrinted = now;
            err.println(text(progress, now));
        }
    }

    private String text(GroupProgress progress, long now) {
        int ended = progress.done() + progress.failed();
        double secondsEach = (now - firstGroups) / NANOS / Math.max(1, ended - endedBefore);
        return String.format(
                Locale.ROOT,
                "groups %d/%d  %d failed  %s left",
                ended,
                progress.total(),
                progress.failed(),
                ended == endedBefore ? "?" : clock(Math.round((progress.total() - ended) * secondsEach)));
    }

    @Override
    public synchronized void onStep(StepMetrics m) {
        double rate = m.numTokens() / m.seconds();
        secondsPerStep = secondsPerStep == 0 ? m.seconds() : mixed(secondsPerStep, m.seconds());
        tokensPerSecond = tokensPerSecond == 0 ? rate : mixed(tokensPerSecond, rate);
        boolean due = System.nanoTime() - lastPrinted >= LOG_INTERVAL_NANOS;
        if (terminal) {
            overwrite(text(m));
        } else if (due || m.step() == totalSteps) {
            lastPrinted = System.nanoTime();
            err.println(text(m));
        }
    }

    private static double mixed(double before, double now) {
        return before + NEWEST * (now - before);
    }

    private String text(StepMetrics m) {
        long left = Math.round((totalSteps - m.step()) * secondsPerStep);
        return String.format(
                Locale.ROOT,
                "step %d/%d  loss %.4f  lr %.3g  grad norm %.3g  %.0f tok/s  %s left",
                m.step(),
                totalSteps,
                m.loss(),
                m.learningRate(),
                m.gradNorm(),
                tokensPerSecond,
                clock(left));
    }

    private static String clock(long seconds) {
        Duration d = Duration.ofSeconds(seconds);
        return d.toHours() > 0
                ? String.format(Locale.ROOT, "%d:%02d:%02d", d.toHours(), d.toMinutesPart(), d.toSecondsPart())
                : String.format(Locale.ROOT, "%d:%02d", d.toMinutes(), d.toSecondsPart());
    }

    private void overwrite(String text) {
        String blank = " ".repeat(Math.max(0, shown - text.length()));
        err.print("\r" + text + blank);
        err.flush();
        shown = text.length();
    }

    @Override
    public synchronized void onMessage(String message) {
        endLine();
        err.println(message);
    }

    /** Goes on to a new line, if a line was being written over. */
    synchronized void endLine() {
        if (shown > 0) {
            err.println();
            shown = 0;
        }
    }
}
