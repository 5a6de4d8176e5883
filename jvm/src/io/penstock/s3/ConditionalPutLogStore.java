package io.penstock.s3;

import io.delta.storage.S3SingleDriverLogStore;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * A log store for concurrent commits of any number of drivers to a Delta table on S3.
 *
 * <p>Delta's own checks whether the commit file exists and then writes it, under a lock within the process. Here a
 * commit is one conditional PUT without that lock, so that S3 also decides between threads. Listing and the files that
 * may be replaced ({@code _last_checkpoint}) are handled by Delta's code.
 *
 * <p>Setting: {@code spark.delta.logStore.s3a.impl = io.penstock.s3.ConditionalPutLogStore}.
 */
public class ConditionalPutLogStore extends S3SingleDriverLogStore {
    public ConditionalPutLogStore(Configuration hadoopConf) {
        super(hadoopConf);
    }

    @Override
    public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration hadoopConf)
            throws IOException {
        if (overwrite) {
            super.write(path, actions, true, hadoopConf);
            return;
        }
        FileSystem fs = path.getFileSystem(hadoopConf);
        Path file = fs.makeQualified(path);
        // Delta's commits contain a unique transaction id.
        if (!new ConditionalPut(fs, file, asLines(actions), true).write()) {
            throw new FileAlreadyExistsException(file.toString());
        }
    }

    private static byte[] asLines(Iterator<String> actions) {
        ByteArrayOutputStream lines = new ByteArrayOutputStream();
        while (actions.hasNext()) {
            lines.writeBytes(actions.next().getBytes(StandardCharsets.UTF_8));
            lines.write('\n');
        }
        return lines.toByteArray();
    }
}
