// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import java.util.Iterator;
import org.apache.spark.sql.Row;

/**
 * What a chunk's task reads. All are lazy: the state is fetched only by an executor that doesn't hold it.
 *
 * @param tokenRows rows of the steps, sorted by place
 * @param stateRows the committed training state; empty before the first commit
 * @param evalRows what is evaluated at the chunk's end, for one rank; empty where nothing is
 */
record ChunkFeed(Iterator<Row> tokenRows, Iterator<Row> stateRows, Iterator<Row> evalRows) {}
