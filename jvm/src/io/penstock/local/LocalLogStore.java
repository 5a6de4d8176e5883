package io.penstock.local;

import io.delta.storage.HDFSLogStore;
import java.io.BufferedWriter;
import java.io.FileNotFoundException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.delta.actions.Action;
import org.apache.spark.sql.delta.actions.AddFile;

/**
 * A Delta log store for local folders with atomic commits across processes that outlast a power cut, and a listing that
 * stats only the requested files.
 *
 * <p>Commits: Delta's own store checks whether the commit exists and then renames a file to it, which replaces a commit
 * that another process has made in between. Creating a hard link is atomic. Before a commit appears, the
 * data files that it adds are on the disk, and it is itself when the write is done: Hadoop syncs neither.
 *
 * <p>Listing: each transaction lists the log from the last checkpoint on. Hadoop's listing stats every file of the
 * folder first, and a log keeps its files for days: at thousands of commits that is most of a small commit's time. Here
 * only names are read, and only the files from the requested name on are statted.
 *
 * <p>Setting: {@code spark.delta.logStore.file.impl = io.penstock.local.LocalLogStore}.
 */
public class LocalLogStore extends HDFSLogStore {
    private static final String FIRST = "00000000000000000000.";

    public LocalLogStore(Configuration hadoopConf) {
        super(hadoopConf);
    }

    /** @throws java.nio.file.FileAlreadyExistsException if it exists and may not be overwritten */
    @Override
    public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration hadoopConf)
            throws IOException {
        java.nio.file.Path commit = local(path);
        if (overwrite) {
            syncCheckpoints(commit);
            super.write(path, actions, true, hadoopConf);
            DurableFiles.force(commit);
            DurableFiles.forceFolder(commit.getParent());
            return;
        }
        // Not by Hadoop: it would write a checksum file that has to be kept consistent with the commit.
        java.nio.file.Path written = commit.resolveSibling("." + commit.getFileName() + "." + UUID.randomUUID() + ".tmp");
        try {
            Set<java.nio.file.Path> folders = new LinkedHashSet<>();
            try (FileOutputStream file = new FileOutputStream(written.toFile());
                    BufferedWriter text = new BufferedWriter(new OutputStreamWriter(file, StandardCharsets.UTF_8))) {
                while (actions.hasNext()) {
                    String action = actions.next();
                    syncAdded(action, path.getParent().getParent(), folders);
                    text.write(action);
                    text.write('\n');
                }
                text.flush();
                file.getFD().sync();
            }
            folders.forEach(DurableFiles::forceFolder);
            DurableFiles.create(written, commit);
            if (commit.getFileName().toString().startsWith(FIRST)) {
                // The table itself is new.
                DurableFiles.forceFolder(commit.getParent().getParent());
                DurableFiles.forceFolder(commit.getParent().getParent().getParent());
            }
        } finally {
            Files.deleteIfExists(written);
        }
    }

    /** Sync the data file, and its deletion vector, of an action that adds one. */
    private static void syncAdded(String action, Path table, Set<java.nio.file.Path> folders) throws IOException {
        if (action.startsWith("{\"add\":") && Action.fromJson(action) instanceof AddFile added) {
            // Relative to the table, or of a shallow clone, and URL-encoded.
            sync(new Path(table, new Path(URI.create(added.path()))), folders);
            if (added.deletionVector() != null && added.deletionVector().isOnDisk()) {
                sync(added.deletionVector().absolutePath(table), folders);
            }
        }
    }

    private static void sync(Path path, Set<java.nio.file.Path> folders) throws IOException {
        java.nio.file.Path file = local(path);
        DurableFiles.force(file);
        folders.add(file.getParent());
    }

    /** Sync the checkpoints that {@code _last_checkpoint} will name, and those before it. */
    private static void syncCheckpoints(java.nio.file.Path file) throws IOException {
        if (!file.getFileName().toString().equals("_last_checkpoint")) {
            return;
        }
        try (DirectoryStream<java.nio.file.Path> found =
                Files.newDirectoryStream(file.getParent(), "*.checkpoint*.parquet")) {
            for (java.nio.file.Path checkpoint : found) {
                DurableFiles.force(checkpoint);
            }
        }
        DurableFiles.forceFolder(file.getParent());
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
