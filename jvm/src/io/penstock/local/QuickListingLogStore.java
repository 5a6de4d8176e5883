package io.penstock.local;

import io.delta.storage.HDFSLogStore;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * Delta's log store for local folders, with a listing that looks only at the files it is asked for.
 *
 * <p>Each transaction lists the log from the last checkpoint on. Hadoop's listing asks the kernel about every file of
 * the folder first, and a log keeps its files for days: at thousands of commits that is most of a small commit's time.
 * Here only names are read, and the files whose names are not passed over are asked about. Commits are made as ever.
 *
 * <p>Setting: {@code spark.delta.logStore.file.impl = io.penstock.local.QuickListingLogStore}.
 */
public class QuickListingLogStore extends HDFSLogStore {
    public QuickListingLogStore(Configuration hadoopConf) {
        super(hadoopConf);
    }

    @Override
    public Iterator<FileStatus> listFrom(Path path, Configuration hadoopConf) throws IOException {
        FileSystem fs = path.getFileSystem(hadoopConf);
        Path folder = path.getParent();
        List<FileStatus> found = new ArrayList<>();
        for (String name : namesFrom(folder, path.getName())) {
            try {
                found.add(fs.getFileStatus(new Path(folder, name)));
            } catch (FileNotFoundException vanished) {
                // Cleaned up, or renamed, since the names were read.
                continue;
            }
        }
        return found.iterator();
    }

    /** In ascending order, as Delta relies on it; without the checksums that Hadoop keeps beside its files. */
    private static List<String> namesFrom(Path folder, String first) throws IOException {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<java.nio.file.Path> entries =
                Files.newDirectoryStream(java.nio.file.Path.of(folder.toUri().getPath()))) {
            for (java.nio.file.Path entry : entries) {
                String name = entry.getFileName().toString();
                boolean isChecksum = name.startsWith(".") && name.endsWith(".crc");
                if (!isChecksum && name.compareTo(first) >= 0) {
                    names.add(name);
                }
            }
        } catch (NoSuchFileException | NotDirectoryException missing) {
            throw new FileNotFoundException("No such file or directory: " + folder);
        }
        Collections.sort(names);
        return names;
    }
}
