package io.penstock.s3;

import io.penstock.local.DurableStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.PathFilter;
import org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager;
import org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager;

/**
 * Commits each file of a stream's checkpoint on S3 by one PUT, and syncs it in a local folder; other file systems are left
 * to Spark.
 *
 * <p>Spark writes a temporary file and renames it. A rename on S3 is a check and then a copy: slow, and two streams on
 * one checkpoint may both believe that they committed the batch.
 *
 * <p>Setting: {@code spark.sql.streaming.checkpointFileManagerClass = io.penstock.s3.ConditionalCheckpointFileManager}.
 * It applies to every path of a session, local ones too, hence the dispatch by scheme here.
 */
public class ConditionalCheckpointFileManager implements CheckpointFileManager {
    private static final String SETTING = "spark.sql.streaming.checkpointFileManagerClass";

    private final FileSystem fs;
    private final boolean onS3;
    private final boolean onDisk;
    private final CheckpointFileManager sparks;

    public ConditionalCheckpointFileManager(Path path, Configuration hadoopConf) throws IOException {
        fs = path.getFileSystem(hadoopConf);
        onS3 = "s3a".equals(fs.getUri().getScheme());
        onDisk = "file".equals(fs.getUri().getScheme());
        sparks = onS3 ? new FileSystemBasedCheckpointFileManager(path, hadoopConf) : sparksOwnChoice(path, hadoopConf);
    }

    private static CheckpointFileManager sparksOwnChoice(Path path, Configuration hadoopConf) {
        Configuration withoutThisClass = new Configuration(hadoopConf);
        withoutThisClass.unset(SETTING);
        return CheckpointFileManager.create(path, withoutThisClass);
    }

    @Override
    public CancellableFSDataOutputStream createAtomic(Path path, boolean overwriteIfPossible) {
        if (!onS3 && !onDisk) {
            return sparks.createAtomic(path, overwriteIfPossible);
        }
        try {
            if (onDisk) {
                return DurableStream.at(path, overwriteIfPossible);
            }
            return overwriteIfPossible ? new ReplacingStream(fs, path) : new CreatingStream(fs, path);
        } catch (IOException failure) {
            // Spark's interface, in Scala, declares no exceptions.
            throw new UncheckedIOException(failure);
        }
    }

    @Override
    public FSDataInputStream open(Path path) {
        return sparks.open(path);
    }

    @Override
    public FileStatus[] list(Path path, PathFilter filter) {
        return sparks.list(path, filter);
    }

    @Override
    public void mkdirs(Path path) {
        sparks.mkdirs(path);
    }

    @Override
    public boolean exists(Path path) {
        return sparks.exists(path);
    }

    @Override
    public void delete(Path path) {
        sparks.delete(path);
    }

    @Override
    public boolean isLocal() {
        return sparks.isLocal();
    }

    @Override
    public Path createCheckpointDirectory() {
        return sparks.createCheckpointDirectory();
    }

    @Override
    public void close() {
        sparks.close();
    }
}
