package io.penstock.s3;

import java.io.IOException;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager.CancellableFSDataOutputStream;

/**
 * A file of a checkpoint that may replace an existing one, like those of a state store.
 *
 * <p>These may be large and are streamed to S3A. An S3 object becomes visible only once it is complete, so no temporary
 * name is needed.
 */
final class ReplacingStream extends CancellableFSDataOutputStream {
    private boolean ended;

    ReplacingStream(FileSystem fs, Path path) throws IOException {
        super(fs.create(path, true));
    }

    @Override
    public synchronized void close() throws IOException {
        if (!ended) {
            ended = true;
            underlyingStream().close();
        }
    }

    @Override
    public synchronized void cancel() {
        if (!ended) {
            ended = true;
            ((FSDataOutputStream) underlyingStream()).abort();
        }
    }
}
