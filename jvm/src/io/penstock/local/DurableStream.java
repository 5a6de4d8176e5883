package io.penstock.local;

import java.io.BufferedOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Set;
import java.util.UUID;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager.CancellableFSDataOutputStream;

/**
 * A file of a checkpoint in a local folder, which is on the disk when it is closed: Spark's own is renamed, but not
 * synced, and after a power cut an offset log may be empty.
 */
public final class DurableStream extends CancellableFSDataOutputStream {
    /** What a checkpoint, and each of its logs, begins with. */
    private static final Set<String> FIRST = Set.of("metadata", "0");

    private final java.nio.file.Path written;
    private final java.nio.file.Path path;
    private final boolean overwrite;
    private final FileOutputStream file;
    private boolean ended;

    private DurableStream(FileOutputStream file, java.nio.file.Path written, java.nio.file.Path path, boolean overwrite) {
        // A file log writes entry by entry.
        super(new BufferedOutputStream(file));
        this.file = file;
        this.written = written;
        this.path = path;
        this.overwrite = overwrite;
    }

    /** @param overwrite whether the file may exist */
    public static DurableStream at(Path path, boolean overwrite) throws IOException {
        java.nio.file.Path target = java.nio.file.Path.of(path.toUri().getPath());
        // createDirectories refuses a link to a folder.
        if (!Files.isDirectory(target.getParent())) {
            Files.createDirectories(target.getParent());
        }
        java.nio.file.Path written =
                target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID() + ".tmp");
        return new DurableStream(new FileOutputStream(written.toFile()), written, target, overwrite);
    }

    @Override
    public synchronized void close() throws IOException {
        if (ended) {
            return;
        }
        ended = true;
        try {
            flush();
            file.getFD().sync();
            file.close();
            // One of Hadoop's would be about the content before.
            Files.deleteIfExists(path.resolveSibling("." + path.getFileName() + ".crc"));
            if (overwrite) {
                DurableFiles.replace(written, path);
            } else {
                DurableFiles.create(written, path);
            }
            if (FIRST.contains(path.getFileName().toString())) {
                // The folder may be new, too.
                DurableFiles.forceFolder(path.getParent().getParent());
            }
        } catch (java.nio.file.FileAlreadyExistsException other) {
            throw new FileAlreadyExistsException(path.toString());
        } finally {
            file.close();
            Files.deleteIfExists(written);
        }
    }

    @Override
    public synchronized void cancel() {
        if (ended) {
            return;
        }
        ended = true;
        try {
            file.close();
            Files.deleteIfExists(written);
        } catch (IOException left) {
            // A temporary file, which nobody reads.
            return;
        }
    }
}
