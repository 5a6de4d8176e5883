package io.penstock.local;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * Files that outlast a power cut: content and name are on the disk when the caller continues.
 *
 * <p>A file system may write the name of a file before its content, and either of them half a minute late; only fsync of
 * the file, and then of its folder, says that both are there.
 */
final class DurableFiles {
    private DurableFiles() {}

    /** Let {@code written}, whose content is on the disk, appear as {@code path}; at most once for each path. */
    static void create(Path written, Path path) throws IOException {
        // A hard link fails if the name exists: content and name appear together.
        Files.createLink(path, written);
        forceFolder(path.getParent());
    }

    static void replace(Path written, Path path) throws IOException {
        Files.move(written, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        forceFolder(path.getParent());
    }

    /** A file that another process has written, with the checksum file that Hadoop may have put beside it. */
    static void force(Path path) throws IOException {
        forceIfThere(path);
        forceIfThere(path.resolveSibling("." + path.getFileName() + ".crc"));
    }

    private static void forceIfThere(Path path) throws IOException {
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ)) {
            file.force(true);
        } catch (NoSuchFileException missing) {
            // Of a checksum file; whether a data file is there is not decided here.
            return;
        }
    }

    static void forceFolder(Path folder) {
        try (FileChannel entries = FileChannel.open(folder, StandardOpenOption.READ)) {
            entries.force(true);
        } catch (IOException unsupported) {
            // Some mounts can't sync a folder; they write names when they are made.
            return;
        }
    }
}
