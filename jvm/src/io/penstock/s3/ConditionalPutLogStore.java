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
 * A log store with which any number of drivers may commit to a Delta table on S3.
 *
 * <p>Delta's own asks whether the commit file exists and then writes it, under a lock that other processes don't share.
 * A commit is here one conditional PUT, without that lock: S3 has the last word within the process too. Listing and the
 * files that may be replaced ({@code _last_checkpoint}) stay Delta's.
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
        // Delta's commits carry an id of their transaction.
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
