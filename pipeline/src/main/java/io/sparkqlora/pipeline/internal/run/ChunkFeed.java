// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import java.util.Iterator;
import org.apache.spark.sql.Row;

/**
 * What a chunk's task reads. Both are lazy: the state is fetched only by an executor that doesn't hold it.
 *
 * @param tokenRows rows of the steps, sorted by place
 * @param stateRows the committed training state; empty before the first commit
 */
record ChunkFeed(Iterator<Row> tokenRows, Iterator<Row> stateRows) {}
