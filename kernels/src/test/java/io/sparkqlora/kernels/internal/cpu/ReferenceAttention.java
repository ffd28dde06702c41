// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.Attention;

/** Attention in double precision, straight from the definition. */
final class ReferenceAttention {

    final double[][] out;
    final double[][] logSumExp;
    final double[][] dq;
    final double[][] dk;
    final double[][] dv;

    private final Attention.Settings settings;
    private final double[][] q;
    private final double[][] k;
    private final double[][] v;
    private final double[][] dOut;

    ReferenceAttention(
            double[][] q,
            double[][] k,
            double[][] v,
            double[][] dOut,
            Attention.Sequences sequences,
            Attention.Settings settings) {
        this.settings = settings;
        this.q = q;
        this.k = k;
        this.v = v;
        this.dOut = dOut;
        out = new double[q.length][settings.heads() * settings.headDim()];
        logSumExp = new double[settings.heads()][q.length];
        dq = new double[q.length][settings.heads() * settings.headDim()];
        dk = new double[k.length][settings.kvHeads() * settings.headDim()];
        dv = new double[k.length][settings.kvHeads() * settings.headDim()];
        int[] queryStarts = sequences.queryStarts();
        int[] keyStarts = sequences.keyStarts();
        for (int s = 0; s + 1 < queryStarts.length; s++) {
            int n = queryStarts[s + 1] - queryStarts[s];
            int m = keyStarts[s + 1] - keyStarts[s];
            for (int i = 0; i < n; i++) {
                for (int head = 0; head < settings.heads(); head++) {
                    query(queryStarts[s] + i, keyStarts[s], m - n + i, head);
                }
            }
        }
    }

    private void query(int row, int keyStart, int position, int head) {
        int first = settings.window() == 0 ? 0 : Math.max(0, position - settings.window() + 1);
        int count = position + 1 - first;
        double[] p = new double[count];
        double[] slope = new double[count];
        double sum = 0;
        for (int j = 0; j < count; j++) {
            double score = settings.scale() * dot(q[row], head, k[keyStart + first + j], kvHead(head));
            slope[j] = settings.scale();
            if (settings.softCap() != 0) {
                double t = Math.tanh(score / settings.softCap());
                score = settings.softCap() * t;
                slope[j] *= 1 - t * t;
            }
            p[j] = Math.exp(score);
            sum += p[j];
        }
        logSumExp[head][row] = Math.log(sum);
        double delta = 0;
        double[] dp = new double[count];
        for (int j = 0; j < count; j++) {
            p[j] /= sum;
            dp[j] = dot(dOut[row], head, v[keyStart + first + j], kvHead(head));
            delta += p[j] * dp[j];
        }
        for (int j = 0; j < count; j++) {
            int key = keyStart + first + j;
            double ds = p[j] * (dp[j] - delta) * slope[j];
            add(out[row], head, v[key], kvHead(head), p[j]);
            add(dv[key], kvHead(head), dOut[row], head, p[j]);
            add(dq[row], head, k[key], kvHead(head), ds);
            add(dk[key], kvHead(head), q[row], head, ds);
        }
    }

    private int kvHead(int head) {
        return head / (settings.heads() / settings.kvHeads());
    }

    private double dot(double[] a, int headOfA, double[] b, int headOfB) {
        int d = settings.headDim();
        double sum = 0;
        for (int i = 0; i < d; i++) {
            sum += a[headOfA * d + i] * b[headOfB * d + i];
        }
        return sum;
    }

    private void add(double[] to, int headOfTo, double[] from, int headOfFrom, double factor) {
        int d = settings.headDim();
        for (int i = 0; i < d; i++) {
            to[headOfTo * d + i] += factor * from[headOfFrom * d + i];
        }
    }
}
