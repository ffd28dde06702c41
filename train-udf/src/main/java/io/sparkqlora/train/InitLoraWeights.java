// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.io.Serializable;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How a fresh adapter begins, by PEFT's names.
 *
 * @param kind the way
 * @param iterations power iterations of {@code pissa_niter_N}, 0 for plain {@code pissa}; {@code loftq_iter} of {@code loftq}; else 0
 */
public record InitLoraWeights(Kind kind, int iterations) implements Serializable {

    /** PEFT's {@code true}. */
    public static final InitLoraWeights TRUE = new InitLoraWeights(Kind.TRUE, 0);

    /** PEFT's {@code gaussian}. */
    public static final InitLoraWeights GAUSSIAN = new InitLoraWeights(Kind.GAUSSIAN, 0);

    /** PEFT's {@code pissa}. */
    public static final InitLoraWeights PISSA = new InitLoraWeights(Kind.PISSA, 0);

    /** The ways. */
    public enum Kind {
        /** {@code A} uniform in ±1/√in_features, Kaiming's with {@code a = √5}; {@code B} zero, so that it changes nothing at first. */
        TRUE,
        /** {@code A} normal, of deviation 1/r; {@code B} zero. */
        GAUSSIAN,
        /**
         * The leading singular triplets of the weight, which is left with the rest (Meng et al., 2024): {@code A = √(Σ/scaling)·Vᵀ},
         * {@code B = U·√(Σ/scaling)}, and {@code W − scaling·B·A} is what the base holds, quantised where it is.
         */
        PISSA,
        /** The leading singular triplets of what quantisation loses, quantised again without them, and so on (Li et al., 2023). */
        LOFTQ
    }

    private static final Pattern PISSA_NITER = Pattern.compile("pissa_niter_([1-9][0-9]{0,2})");

    public InitLoraWeights {
        if (iterations < (kind == Kind.LOFTQ ? 1 : 0)) {
            throw TrainErrors.badArgument("iterations of " + kind, iterations, "at least 1");
        }
    }

    /**
     * The one of PEFT's name.
     *
     * @param loftqIter {@code loftq_iter} of {@code loftq_config}, which counts for {@code loftq} alone
     * @throws IllegalArgumentException if there is none
     */
    public static InitLoraWeights named(String name, int loftqIter) {
        Matcher niter = PISSA_NITER.matcher(name);
        if (niter.matches()) {
            return new InitLoraWeights(Kind.PISSA, Integer.parseInt(niter.group(1)));
        }
        Kind kind = Kind.valueOf(name.toUpperCase(Locale.ROOT));
        return new InitLoraWeights(kind, kind == Kind.LOFTQ ? loftqIter : 0);
    }

    /** Whether {@link #named} knows a name. */
    public static boolean isKnown(String name) {
        return name.equals("true")
                || name.equals("gaussian")
                || name.equals("pissa")
                || name.equals("loftq")
                || PISSA_NITER.matcher(name).matches();
    }

    /** Whether the adapter begins with a decomposition of the base's weights. */
    public boolean decomposes() {
        return kind == Kind.PISSA || kind == Kind.LOFTQ;
    }

    /** Whether the base is another one than without: after its first iteration LoftQ's is as it would be quantised anyway. */
    public boolean changesBase() {
        return kind == Kind.PISSA || (kind == Kind.LOFTQ && iterations > 1);
    }

    /** PEFT's name; {@code loftq_iter} is not in it. */
    @Override
    public String toString() {
        return kind == Kind.PISSA && iterations > 0
                ? "pissa_niter_" + iterations
                : kind.name().toLowerCase(Locale.ROOT);
    }
}
