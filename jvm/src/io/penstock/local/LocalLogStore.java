package io.penstock.local;

import io.delta.storage.HDFSLogStore;
import java.io.BufferedWriter;
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
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * A Delta log store for local folders with atomic commits across processes, and a listing that stats only the requested
 * files.
 *
 * <p>Commits: Delta's own store checks whether the commit exists and then renames a file to it, which replaces a commit
 * that another process has made in between. Creating a hard link is atomic.
 *
 * <p>Listing: each transaction lists the log from the last checkpoint on. Hadoop's listing stats every file of the
 * folder first, and a log keeps its files for days: at thousands of commits that is most of a small commit's time. Here
 * only names are read, and only the files from the requested name on are statted.
 *
 * <p>Setting: {@code spark.delta.logStore.file.impl = io.penstock.local.LocalLogStore}.
 */
public class LocalLogStore extends HDFSLogStore {
    public LocalLogStore(Configuration hadoopConf) {
        super(hadoopConf);
    }

    /** @throws java.nio.file.FileAlreadyExistsException if it exists and may not be overwritten */
    @Override
    public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration hadoopConf)
            throws IOException {
        if (overwrite) {
            super.write(path, actions, true, hadoopConf);
            return;
        }
        java.nio.file.Path commit = local(path);
        // Not by Hadoop: it would write a checksum file that has to be kept consistent with the commit.
        java.nio.file.Path written = commit.resolveSibling("." + commit.getFileName() + "." + UUID.randomUUID() + ".tmp");
        try {
            try (BufferedWriter file = Files.newBufferedWriter(written)) {
                while (actions.hasNext()) {
                    file.write(actions.next());
                    file.write('\n');
                }
            }
            Files.createLink(commit, written);
        } finally {
            Files.deleteIfExists(written);
        }
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
                // Deleted or renamed since the names were read.
                continue;
            }
        }
        return found.iterator();
    }

    /** In ascending order, as Delta requires; without Hadoop's checksum files. */
    private static List<String> namesFrom(Path folder, String first) throws IOException {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<java.nio.file.Path> entries = Files.newDirectoryStream(local(folder))) {
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

    private static java.nio.file.Path local(Path path) {
        return java.nio.file.Path.of(path.toUri().getPath());
    }
}
