package io.penstock.s3;

import java.io.IOException;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager.CancellableFSDataOutputStream;

/**
 * A file of a checkpoint that replaces what is there, like those of a state store.
 *
 * <p>These may be large and go to S3A as they are written. S3 shows an object only once all of it is there, so no
 * temporary name is needed.
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
