package io.penstock.s3;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager.CancellableFSDataOutputStream;

/**
 * A file of a checkpoint that must not exist yet: an entry of the offset or commit log.
 *
 * <p>It is buffered in memory until it is closed: such entries are small, and a stream that is cancelled or a process
 * that dies then leaves nothing behind.
 */
final class CreatingStream extends CancellableFSDataOutputStream {
    private final FileSystem fs;
    private final Path path;
    private boolean ended;

    CreatingStream(FileSystem fs, Path path) {
        super(new ByteArrayOutputStream());
        this.fs = fs;
        this.path = path;
    }

    @Override
    public synchronized void close() throws IOException {
        if (ended) {
            return;
        }
        ended = true;
        byte[] content = ((ByteArrayOutputStream) underlyingStream()).toByteArray();
        // Two streams on one checkpoint write byte-identical commit entries.
        if (!new ConditionalPut(fs, path, content, false).write()) {
            throw new FileAlreadyExistsException(path.toString());
        }
    }

    @Override
    public synchronized void cancel() {
        ended = true;
    }
}
