// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

/**
 * How far a run of groups is.
 *
 * @param done groups whose adapter is there; in the tables or not yet
 * @param failed groups that failed
 * @param total all groups
 */
public record GroupProgress(int done, int failed, int total) {}
